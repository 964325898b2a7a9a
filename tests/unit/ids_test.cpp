#include "rules/ids.hpp"

#include <set>
#include <string>
#include <unordered_set>

#include <doctest/doctest.h>

#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::DeploymentId;
using rules::derived_uuid;
using rules::EventId;

std::array<std::uint8_t, 16> random_bytes(Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  for (auto& byte : bytes) {
    byte = static_cast<std::uint8_t>(random.next());
  }
  return bytes;
}

}  // namespace

TEST_CASE("ids: a uuid is read in either case and written in lower case") {
  const auto id = DeploymentId::parse("00112233-4455-6677-8899-AABBccddEEff");
  REQUIRE(id);
  CHECK(id->text() == "00112233-4455-6677-8899-aabbccddeeff");
  CHECK(DeploymentId{}.text() == "00000000-0000-0000-0000-000000000000");
}

TEST_CASE("ids: anything that is not exactly the 8-4-4-4-12 form is no uuid") {
  for (const char* text :
       {"", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
        "{00112233-4455-6677-8899-aabbccddeeff}", "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeefg", "0011223-34455-6677-8899-aabbccddeeff",
        "00112233_4455_6677_8899_aabbccddeeff", " 0112233-4455-6677-8899-aabbccddeeff",
        "0x112233-4455-6677-8899-aabbccddeeff", "+0112233-4455-6677-8899-aabbccddeeff"}) {
    CAPTURE(text);
    CHECK_FALSE(DeploymentId::parse(text));
  }
}

TEST_CASE("ids: what is written is read back") {
  Random random{seed()};
  INFO("SEED=" << seed());
  for (int i = 0; i < 2000; ++i) {
    const EventId id{random_bytes(random)};
    REQUIRE(EventId::parse(id.text()) == id);
  }
}

TEST_CASE("ids: a derived uuid has version 8 and the RFC's variant") {
  Random random{seed()};
  INFO("SEED=" << seed());
  for (int i = 0; i < 2000; ++i) {
    const auto bytes =
        derived_uuid(random_bytes(random), random.between(-1'000'000, 1'000'000), random.next());
    const std::string text = EventId{bytes}.text();
    REQUIRE(text[14] == '8');
    REQUIRE(std::string{"89ab"}.find(text[19]) != std::string::npos);
  }
}

TEST_CASE("ids: the same inputs derive the same uuid, and any difference another") {
  const auto from = numbered_id(7).bytes();
  CHECK(derived_uuid(from, 1, 1) == derived_uuid(from, 1, 1));
  // A recorded history must give the same ids for ever.
  CHECK(EventId{derived_uuid(from, 1, 1)}.text() == "5775264a-9a7e-8b09-b6b8-df54bd2b1362");
  std::set<std::array<std::uint8_t, 16>> seen;
  std::size_t made = 0;
  for (std::uint64_t deployment = 1; deployment <= 20; ++deployment) {
    for (std::int64_t moment = 0; moment < 200; ++moment) {
      for (std::uint64_t salt = 1; salt <= 4; ++salt) {
        const std::int64_t us = noon.time_since_epoch().count() + moment;
        seen.insert(derived_uuid(numbered_id(deployment).bytes(), us, salt));
        ++made;
      }
    }
  }
  CHECK(seen.size() == made);
}

TEST_CASE("ids: every bit of what a uuid is derived from changes about half of its bits") {
  const auto from = numbered_id(7).bytes();
  const auto plain = derived_uuid(from, 0, 0);
  const auto distance = [&](const std::array<std::uint8_t, 16>& other) {
    int bits = 0;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      bits += __builtin_popcount(static_cast<unsigned>(plain[i] ^ other[i]));
    }
    return bits;
  };
  for (unsigned bit = 0; bit < 64; ++bit) {
    CAPTURE(bit);
    CHECK(distance(derived_uuid(from, static_cast<std::int64_t>(1ULL << bit), 0)) > 30);
    CHECK(distance(derived_uuid(from, 0, 1ULL << bit)) > 30);
  }
  for (std::size_t bit = 0; bit < 128; ++bit) {
    auto changed = from;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    CAPTURE(bit);
    CHECK(distance(derived_uuid(changed, 0, 0)) > 10);
  }
}

TEST_CASE("ids: hashes of neighbours differ, so that no table of them degenerates") {
  std::unordered_set<std::size_t> hashes;
  for (std::uint64_t n = 0; n < 1000; ++n) {
    hashes.insert(std::hash<DeploymentId>{}(numbered_id(n)));
    hashes.insert(std::hash<rules::Service>{}({"production", std::to_string(n)}));
  }
  CHECK(hashes.size() == 2000);
  CHECK(std::hash<rules::Service>{}({"a", "b"}) != std::hash<rules::Service>{}({"b", "a"}));
}

}  // namespace rollbackd::tests
