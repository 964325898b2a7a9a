#include "engine/http/target.hpp"

#include <algorithm>

#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

constexpr char32_t invalid = 0xFFFD;

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_readable(std::string_view text) {
  while (!text.empty()) {
    const char32_t c = take_code_point(text);
    if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == invalid) {
      return false;
    }
  }
  return true;
}

std::optional<std::string> decoded(std::string_view text, bool slash_is_fine) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    const char c = static_cast<char>(high * 16 + low);
    if (c == '/' && !slash_is_fine) {
      return std::nullopt;
    }
    out += c;
    i += 2;
  }
  return is_readable(out) ? std::optional{std::move(out)} : std::nullopt;
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment == "." || segment == "..") {
      return true;
    }
    path.remove_prefix(segment.size());
  }
  return false;
}

}  // namespace

std::optional<std::string> path_of(std::string_view target) {
  // Proxies may send the absolute form.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.starts_with(scheme)) {
      target.remove_prefix(scheme.size());
      const std::size_t slash = target.find('/');
      target = slash == std::string_view::npos ? "/" : target.substr(slash);
      break;
    }
  }
  const std::size_t question = target.find('?');
  if (question != std::string_view::npos && !decoded(target.substr(question + 1), true)) {
    return std::nullopt;
  }
  const std::string_view path = target.substr(0, question);
  if (!path.starts_with('/') || target.find('#') != std::string_view::npos) {
    return std::nullopt;
  }
  auto readable = decoded(path, false);
  return readable && !has_dot_segment(*readable) ? std::move(readable) : std::nullopt;
}

std::string_view query_of(std::string_view target) {
  const std::size_t question = target.find('?');
  return question == std::string_view::npos ? "" : target.substr(question + 1);
}

std::optional<std::string> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (decoded(pair.substr(0, equals), true) == name) {
      std::string value{pair.substr(std::min(equals + 1, pair.size()))};
      std::replace(value.begin(), value.end(), '+', ' ');
      return decoded(value, true);
    }
  }
  return std::nullopt;
}

}  // namespace rollbackd::engine
