#include "engine/telemetry/log.hpp"

#include <cmath>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include "engine/telemetry/decision_log.hpp"
#include "engine/telemetry/log_line.hpp"

namespace rollbackd::engine {
namespace {

// 2025-12-15T14:35:00.123Z
constexpr rules::Instant moment{std::chrono::milliseconds{1'765'809'300'123}};

std::string logfmt(const rules::Fields& fields) {
  const std::string line = log_line(LogFormat::logfmt, moment, LogLevel::info, "word", fields);
  const std::string head = "time=2025-12-15T14:35:00.123Z level=info event=word";
  REQUIRE(line.starts_with(head));
  return line.substr(head.size());
}

std::string json(const rules::Fields& fields) {
  return log_line(LogFormat::json, moment, LogLevel::warning, "word", fields);
}

class NoObserver final : public Observer {
 public:
  void took(const rules::Input& /*input*/) override { ++calls; }
  void decided(const rules::Output& /*output*/) override { ++calls; }
  void committed(const rules::Commit& /*commit*/, rules::Duration /*waited*/) override { ++calls; }

  int calls = 0;
};

}  // namespace

TEST_CASE("log: a record is one line, with its time, level and word first") {
  CHECK(logfmt({}).empty());
  CHECK(logfmt({{"version", std::string{"v2.5.2"}}, {"count", std::int64_t{3}}, {"ok", true}}) ==
        " version=v2.5.2 count=3 ok=true");
  CHECK(json({{"version", std::string{"v2"}}, {"rate", 8.5}, {"n", 8.0}, {"ok", false}}) ==
        R"({"time":"2025-12-15T14:35:00.123Z","level":"warning","event":"word",)"
        R"("version":"v2","rate":8.5,"n":8,"ok":false})");
}

TEST_CASE("log: text that is not plain is quoted") {
  CHECK(logfmt({{"a", std::string{"two words"}}}) == " a=\"two words\"");
  CHECK(logfmt({{"a", std::string{}}}) == " a=\"\"");
  CHECK(logfmt({{"a", std::string{"x=y"}}}) == " a=\"x=y\"");
  CHECK(logfmt({{"a", std::string{"say \"no\" \\"}}}) == R"( a="say \"no\" \\")");
  CHECK(logfmt({{"a", std::string{"größer"}}}) == " a=\"größer\"");
}

TEST_CASE("log: nothing in a value can end the line or steer a terminal") {
  CHECK(logfmt({{"a", std::string{"x\r\ntime=now level=error"}}}) ==
        R"( a="x\r\ntime=now level=error")");
  CHECK(logfmt({{"a", std::string{"\x1b[31mred\x1b[0m\t"}}}) == R"( a="\u001b[31mred\u001b[0m\t")");
  CHECK(logfmt({{"a", std::string{"a\0b\x7f", 4}}}) == R"( a="a\u0000b\u007f")");
  CHECK(logfmt({{"a", std::string{"\u2028\u2029\u0085\u202e\u200b\ufeff"}}}) ==
        R"( a="\u2028\u2029\u0085\u202e\u200b\ufeff")");
  CHECK(logfmt({{"a", std::string{"bad \xff\xc3"}}}) == " a=\"bad ��\"");
  const std::string all = json({{"a", std::string{"\"}\n{\x1b"}}});
  CHECK(all.ends_with(R"("a":"\"}\n{\u001b"})"));
}

TEST_CASE("log: a key cannot break the line or pass for one of ours") {
  CHECK(logfmt({{"a b=\n", true}}) == " a_b__=true");
  CHECK(logfmt({{"level", std::string{"error"}}, {"", true}}) == " field_level=error field_=true");
}

TEST_CASE("log: numbers that JSON does not know are texts") {
  CHECK(json({{"a", std::nan("")}}).ends_with(R"("a":"nan"})"));
  CHECK(json({{"a", -HUGE_VAL}}).ends_with(R"("a":"-inf"})"));
}

TEST_CASE("log: a long value is cut, at a whole character") {
  std::string text;
  for (int i = 0; i < 1500; ++i) {
    text += "ü";
  }
  const std::string line = logfmt({{"a", text}});
  CHECK(line.size() < 2100);
  CHECK(line.ends_with("üü…\""));
}

TEST_CASE("log: records below the level are left out, and the level can change") {
  std::ostringstream out;
  StructuredLog log{{LogLevel::warning, LogFormat::logfmt}, out};
  log.info("quiet");
  log.warning("loud", {{"text", std::string{"{} %s {0}"}}});
  log.use({LogLevel::debug, LogFormat::logfmt});
  log.debug("detail");
  log.use({LogLevel::debug, LogFormat::journald});
  log.debug("in the journal");
  const std::string text = out.str();
  CHECK(text.find("quiet") == std::string::npos);
  CHECK(text.find(" level=warning event=loud text=\"{} %s {0}\"\n") != std::string::npos);
  CHECK(text.find(" level=debug event=detail\n") != std::string::npos);
  CHECK(text.ends_with("\n<7>level=debug event=\"in the journal\"\n"));
}

TEST_CASE("log: the journal gets priorities and no time, and a value can forge neither") {
  const auto line = [](LogLevel level, const rules::Fields& fields) {
    return log_line(LogFormat::journald, moment, level, "word", fields);
  };
  CHECK(line(LogLevel::debug, {}) == "<7>level=debug event=word");
  CHECK(line(LogLevel::info, {{"n", std::int64_t{1}}}) == "<6>level=info event=word n=1");
  CHECK(line(LogLevel::warning, {}) == "<4>level=warning event=word");
  CHECK(line(LogLevel::error, {{"a", std::string{"x\r\n<0>level=error"}}}) ==
        R"(<3>level=error event=word a="x\r\n<0>level=error")");
}

TEST_CASE("log: a decision and what was journaled are told under their words, and handed on") {
  std::ostringstream out;
  StructuredLog log{{LogLevel::info, LogFormat::logfmt}, out};
  NoObserver next;
  DecisionLog decisions{log, next};

  rules::Output output;
  output.explanations.push_back(
      {{"production", "api"}, {}, rules::Reason::cooldown, "error_rate", 8.5, 5});
  decisions.decided(output);
  CHECK(out.str().find("level=info event=decision environment=production service=api "
                       "deployment_id=00000000-0000-0000-0000-000000000000 reason=cooldown "
                       "trigger=error_rate measured=8.5 limit=5\n") != std::string::npos);

  rules::RomanEvent event;
  event.event_type = "rollback_held";
  event.severity = "error";
  event.description = "held: cooldown";
  event.service = {"production", "api"};
  event.metadata = {{"version", std::string{"v2"}}, {"service", std::string{"told already"}}};
  rules::Commit commit;
  commit.entries.emplace_back(event);
  decisions.committed(commit, rules::seconds{1});
  CHECK(out.str().find("level=error event=rollback_held environment=production service=api "
                       "description=\"held: cooldown\" version=v2\n") != std::string::npos);

  decisions.took(rules::Tick{});
  CHECK(next.calls == 3);
}

}  // namespace rollbackd::engine
