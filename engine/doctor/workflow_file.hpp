#pragma once

#include <set>
#include <string>
#include <vector>

namespace rollbackd::engine {

// What a workflow's file says about being started by us.
struct WorkflowFile {
  bool is_yaml = false;
  bool has_dispatch = false;            // workflow_dispatch is under on:
  std::vector<std::string> undeclared;  // inputs that we give and it does not declare
  std::vector<std::string> demanded;    // inputs that it demands and we do not give
  bool has_marker = false;  // its run-name holds [rb:…], by which a run is found again
};

// `given`: the names of our inputs.
WorkflowFile read_workflow(const std::string& text, const std::set<std::string>& given);

}  // namespace rollbackd::engine
