#include "engine/utf8.hpp"

#include <cstdint>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

TEST_CASE("utf8: what goes in comes out") {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 0x3F) {
    if (c >= 0xD800 && c <= 0xDFFF) {
      continue;
    }
    std::string text;
    append_code_point(text, c);
    std::string_view rest = text;
    if (take_code_point(rest) != c || !rest.empty()) {
      FAIL("code point " << static_cast<std::uint32_t>(c));
    }
  }
}

TEST_CASE("utf8: what is not valid is replaced, byte by byte") {
  CHECK(plain_text("a\xFF"
                   "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(plain_text("\xC3") == "\xEF\xBF\xBD");
  CHECK(plain_text("\xC0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD");    // overlong NUL
  CHECK(plain_text("\xED\xA0\x80").size() == 9);                  // a surrogate
  CHECK(plain_text("\xF4\x90\x80\x80").size() == 12);             // beyond the last plane
  CHECK(plain_text("\xE2\x82z") == "\xEF\xBF\xBD\xEF\xBF\xBDz");  // cut short
}

TEST_CASE("utf8: nothing that steers a terminal, a log or a reader's eye is left") {
  using namespace std::string_literals;
  CHECK(plain_text("\x1B[1;31mred\x1B[0m"s) == "red");
  CHECK(plain_text("\x1B]0;title\x07text\x1B]8;;http://x\x1B\\link"s) == "textlink");
  CHECK(plain_text("a\0b\x01\x7F\xC2\x9B"s + "c") == "abc");
  CHECK(plain_text("one\r\ntwo\rthree\xE2\x80\xA8"s + "four") == "one\ntwo\nthree\nfour");
  CHECK(plain_text("a\tb") == "a\tb");
  CHECK(plain_text("abc\xE2\x80\xAE"s + "def") == "abcdef");
  CHECK(plain_text("\x1B") == "");
  CHECK(plain_text("x\x1B[31") == "x");
}

TEST_CASE("utf8: length as Discord counts it") {
  CHECK(utf16_length("") == 0);
  CHECK(utf16_length("aä€") == 3);
  CHECK(utf16_length("🚨") == 2);
}

TEST_CASE("utf8: cutting leaves whole characters and says that something is missing") {
  CHECK(cut_end("abcdef", 6) == "abcdef");
  CHECK(cut_end("abcdefg", 6) == "abc…");
  CHECK(cut_end("aäää", 6) == "aä…");
  CHECK(cut_end("ääää", 6) == "ä…");
  CHECK(cut_start("abcdefg", 6) == "…efg");
  CHECK(cut_start("ääää", 6) == "…ä");
  CHECK(cut_start("🚨🚨", 7) == "…🚨");
  CHECK(cut_start("🚨🚨", 6) == "…");
}

TEST_CASE("utf8: any bytes become valid text") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) {
      // Mostly the bytes that begin or continue something.
      constexpr std::string_view likely = "\x1B[]\x07\r\n\xC3\xA4\xE2\x80\xAE\xF0\x9F\x9A\xA8\xED";
      byte = random() % 3 == 0 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    const std::string text = plain_text(bytes);
    CHECK(plain_text(text) == text);
    for (std::string_view rest = text; !rest.empty();) {
      const char32_t c = take_code_point(rest);
      REQUIRE((c >= 0x20 || c == U'\n' || c == U'\t'));
    }
    if (const auto cut = cut_end(text, 8); cut.size() > 8 || plain_text(cut) != cut) {
      FAIL("cut_end");
    }
    if (const auto cut = cut_start(text, 8); cut.size() > 8 || plain_text(cut) != cut) {
      FAIL("cut_start");
    }
  }
}

}  // namespace
}  // namespace rollbackd::engine
