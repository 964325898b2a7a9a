#include "engine/secret_file.hpp"

#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace rollbackd::engine {
namespace {

constexpr std::size_t secret_file_max = 64 * 1024;

}  // namespace

Result<std::string> read_secret_file(const std::filesystem::path& file) {
  const auto wrong = [](std::string what) {
    return Error{std::move(what), "a file that holds the secret"};
  };
  const auto unreadable = [&wrong](const std::error_code& why) {
    return wrong(why ? "cannot be read (" + why.message() + ")" : "cannot be read");
  };
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    return error ? unreadable(error) : wrong("does not exist");
  }
  errno = 0;
  std::ifstream in{file, std::ios::binary};
  const std::error_code opened{errno, std::generic_category()};
  std::string secret(secret_file_max + 1, '\0');
  in.read(secret.data(), static_cast<std::streamsize>(secret.size()));
  if (in.bad() || !in.is_open() || std::filesystem::is_directory(file, error)) {
    return unreadable(in.is_open() ? std::error_code{} : opened);
  }
  secret.resize(static_cast<std::size_t>(in.gcount()));
  for (const char ending : {'\n', '\r'}) {
    if (!secret.empty() && secret.back() == ending) {
      secret.pop_back();
    }
  }
  if (secret.empty()) {
    return wrong("is empty");
  }
  if (secret.size() > secret_file_max ||
      secret.find_first_of(std::string_view{"\n\r\0", 3}) != std::string::npos) {
    return wrong("holds more than one line");
  }
  return secret;
}

}  // namespace rollbackd::engine
