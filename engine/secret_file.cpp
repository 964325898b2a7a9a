#include "engine/secret_file.hpp"

#include <fstream>
#include <string_view>
#include <system_error>

namespace rollbackd::engine {
namespace {

constexpr std::size_t secret_file_max = 64 * 1024;

}  // namespace

Result<std::string> read_secret_file(const std::filesystem::path& file) {
  const auto wrong = [](const char* what) { return Error{what, "a file that holds the secret"}; };
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    return wrong("does not exist");
  }
  std::ifstream in{file, std::ios::binary};
  std::string secret(secret_file_max + 1, '\0');
  in.read(secret.data(), static_cast<std::streamsize>(secret.size()));
  if (in.bad() || !in.is_open() || std::filesystem::is_directory(file, error)) {
    return wrong("cannot be read");
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
