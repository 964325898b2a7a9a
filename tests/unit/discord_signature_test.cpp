#include <string>

#include <doctest/doctest.h>

#include "engine/discord/replay_guard.hpp"
#include "engine/discord/signature.hpp"
#include "engine/settings_values.hpp"
#include "tests/support/discord_standin.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::engine {
namespace {

std::array<std::uint8_t, 32> key_of(std::string_view hex) {
  std::array<std::uint8_t, 32> key{};
  REQUIRE(read_hex(hex, key));
  return key;
}

// Made by tweetnacl, not by the library that checks it.
const SignedBody known{
    "bc6c632ce8be766f4da8fa08739a0bf977ae3386ee604b85ad8d169601f5df00c79ac751a12a102db7f50d9c726908"
    "170ac96ece530269b33ceff69d4aa28609",
    "1700000000", R"({"type":1,"id":"1","application_id":"2","token":"t","version":1})"};

}  // namespace

TEST_CASE("discord: signatures of other implementations are accepted") {
  const SignatureCheck check{key_of(tests::discord_public_key)};
  CHECK(check.is_signed(known));
  CHECK(tests::discord_signature(known.timestamp, known.body) == known.signature);
  // RFC 8032, 7.1, test 2: one byte.
  const SignatureCheck other{
      key_of("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")};
  const SignedBody one_byte{
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f"
      "11d8c387b2eaeb4302aeeb00d291612bb0c00",
      "", "r"};
  CHECK(other.is_signed(one_byte));
  CHECK_FALSE(check.is_signed(one_byte));
}

TEST_CASE("discord: the smallest change makes a signature wrong") {
  const SignatureCheck check{key_of(tests::discord_public_key)};
  for (std::string SignedBody::*part :
       {&SignedBody::signature, &SignedBody::timestamp, &SignedBody::body}) {
    for (std::size_t i = 0; i < (known.*part).size(); ++i) {
      SignedBody changed = known;
      char& c = (changed.*part)[i];
      c = c == '0' ? '1' : '0';
      CHECK_FALSE(check.is_signed(changed));
    }
  }
  SignedBody moved = known;
  moved.timestamp += moved.body.front();
  moved.body.erase(0, 1);
  CHECK(check.is_signed(moved));  // the same bytes; that the timestamp is none is seen elsewhere
  CHECK_FALSE(signed_second(moved.timestamp));
}

TEST_CASE("discord: what is no signature is none, whatever it holds") {
  const SignatureCheck check{key_of(tests::discord_public_key)};
  tests::Random random{tests::seed()};
  CAPTURE(tests::seed());
  for (int i = 0; i < 2000; ++i) {
    SignedBody request = known;
    request.signature.clear();
    const auto length = random.one_in(2) ? 128 : random.between(0, 300);
    for (std::int64_t k = 0; k < length; ++k) {
      request.signature += random.one_in(50) ? static_cast<char>(random.between(0, 255))
                                             : "0123456789abcdefABCDEF"[random.between(0, 21)];
    }
    CHECK_FALSE(check.is_signed(request));
  }
}

TEST_CASE("discord: a timestamp is whole seconds and nothing else") {
  CHECK(signed_second("1700000000") == 1'700'000'000);
  for (const char* wrong : {"", "-1", "+1", " 1", "1.5", "1e9", "0x10", "1700000000 ",
                            "99999999999999999999", "1700000000\n"}) {
    CAPTURE(wrong);
    CHECK_FALSE(signed_second(wrong));
  }
}

TEST_CASE("discord: each interaction is taken once, while it is fresh") {
  ReplayGuard guard{1000};
  CHECK(guard.is_fresh(1000, 1000));
  CHECK_FALSE(guard.is_fresh(999, 1000));  // another process may have taken it
  CHECK(guard.is_fresh(1000 + ReplayGuard::window, 1000));
  CHECK_FALSE(guard.is_fresh(1001 + ReplayGuard::window, 1000));
  CHECK(guard.is_fresh(1000, 1000 + ReplayGuard::window));
  CHECK_FALSE(guard.is_fresh(1000, 1001 + ReplayGuard::window));
  CHECK(guard.take("a", 1000, 1000));
  CHECK_FALSE(guard.take("a", 1000, 1000));
  CHECK(guard.take("b", 1000, 1000));
  // Still known in the last second in which it is fresh.
  CHECK_FALSE(guard.take("a", 1000, 1000 + ReplayGuard::window));
}

TEST_CASE("discord: an id signed ahead of time is remembered as long as it is fresh") {
  ReplayGuard guard{0};
  const rules::Second made = 1000 + ReplayGuard::window;
  REQUIRE(guard.is_fresh(made, 1000));
  CHECK(guard.take("ahead", made, 1000));
  for (rules::Second now = 1000; guard.is_fresh(made, now); now += 10) {
    CHECK_FALSE(guard.take("ahead", made, now));
  }
}

TEST_CASE("discord: more ids than are remembered make the oldest stale, not new") {
  ReplayGuard guard{0};
  constexpr auto many = static_cast<rules::Second>(ReplayGuard::ids_max);
  for (rules::Second i = 0; i <= many; ++i) {
    CHECK(guard.take(std::to_string(i), 1000 + i / many, 1001));
  }
  CHECK_FALSE(guard.is_fresh(1000, 1001));
  CHECK(guard.is_fresh(1001, 1001));
}

}  // namespace rollbackd::engine
