#pragma once

#include <doctest/doctest.h>

#include "tests/support/postgres.hpp"

// Tells the fixture whether the test at hand failed, so that it prints the server's log exactly
// then. Included by one file of a test program; apart from the fixture because benchmarks have no
// doctest.

namespace rollbackd::tests {

struct FailureListener : doctest::IReporter {
  explicit FailureListener(const doctest::ContextOptions& /*options*/) {}

  void test_case_start(const doctest::TestCaseData& /*test*/) override { test_failed = false; }
  void test_case_reenter(const doctest::TestCaseData& /*test*/) override { test_failed = false; }
  void log_assert(const doctest::AssertData& assertion) override {
    if (assertion.m_failed) {
      test_failed = true;
    }
  }
  void log_message(const doctest::MessageData& message) override {
    if ((message.m_severity & doctest::assertType::is_warn) == 0) {
      test_failed = true;
    }
  }
  void test_case_exception(const doctest::TestCaseException& /*thrown*/) override {
    test_failed = true;
  }
  void report_query(const doctest::QueryData& /*data*/) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*subcase*/) override {}
  void subcase_end() override {}
  void test_case_skipped(const doctest::TestCaseData& /*test*/) override {}
};

REGISTER_LISTENER("postgres_log", 1, FailureListener);

}  // namespace rollbackd::tests
