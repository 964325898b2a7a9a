#include "engine/doctor/workflow_file.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {

TEST_CASE("workflow_file: workflow_dispatch in each of the forms that GitHub takes") {
  CHECK(read_workflow("on: workflow_dispatch\n", {}).has_dispatch);
  CHECK(read_workflow("on: [push, workflow_dispatch]\n", {}).has_dispatch);
  CHECK(read_workflow("on:\n  push:\n  workflow_dispatch:\n", {}).has_dispatch);
  CHECK_FALSE(read_workflow("on: [push]\n", {}).has_dispatch);
  CHECK_FALSE(read_workflow("name: x\n", {}).has_dispatch);
}

TEST_CASE("workflow_file: inputs that are not declared, and those that are demanded") {
  const WorkflowFile file = read_workflow(R"(
run-name: Back to it [rb:${{ inputs.rollback_id }}]
on:
  workflow_dispatch:
    inputs:
      rollback_id: {required: true}
      who: {required: true}
      how: {required: true, default: fast}
      why:
)",
                                          {"rollback_id", "version"});
  CHECK(file.is_yaml);
  CHECK(file.has_marker);
  CHECK(file.undeclared == std::vector<std::string>{"version"});
  CHECK(file.demanded == std::vector<std::string>{"who"});
}

TEST_CASE("workflow_file: what is no workflow is none") {
  for (const char* text : {"", "- a\n", "on: {workflow_dispatch: 7}\n", "on: 7\n", "on: [[]]\n",
                           "on: {workflow_dispatch: {inputs: [x]}}\n", "a: [\n", "\x01"}) {
    CAPTURE(text);
    CHECK_FALSE(read_workflow(text, {"version"}).has_marker);
  }
  CHECK_FALSE(read_workflow("a: [\n", {}).is_yaml);
}

}  // namespace rollbackd::engine
