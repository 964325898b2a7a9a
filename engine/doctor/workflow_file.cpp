#include "engine/doctor/workflow_file.hpp"

#include <yaml-cpp/yaml.h>

namespace rollbackd::engine {
namespace {

// `on` may be one name, a list of names, or a map.
bool has_trigger(const YAML::Node& on, const std::string& name) {
  if (on.IsScalar()) {
    return on.Scalar() == name;
  }
  if (on.IsSequence()) {
    for (const YAML::Node& entry : on) {
      if (entry.IsScalar() && entry.Scalar() == name) {
        return true;
      }
    }
    return false;
  }
  return on.IsMap() && on[name].IsDefined();
}

bool is_demanded(const YAML::Node& input) {
  const YAML::Node required = input.IsMap() ? input["required"] : YAML::Node{};
  const bool is_required = required && required.IsScalar() && required.Scalar() == "true";
  return is_required && !input["default"].IsDefined();
}

}  // namespace

WorkflowFile read_workflow(const std::string& text, const std::set<std::string>& given) {
  WorkflowFile found;
  try {
    const YAML::Node file = YAML::Load(text);
    if (!file.IsMap()) {
      return found;
    }
    found.is_yaml = true;
    const YAML::Node on = file["on"];
    found.has_dispatch = on.IsDefined() && has_trigger(on, "workflow_dispatch");
    const YAML::Node name = file["run-name"];
    found.has_marker = name && name.IsScalar() && name.Scalar().find("[rb:") != std::string::npos;
    std::set<std::string> declared;
    const YAML::Node dispatch =
        found.has_dispatch && on.IsMap() ? on["workflow_dispatch"] : YAML::Node{};
    const YAML::Node inputs = dispatch.IsMap() ? dispatch["inputs"] : YAML::Node{};
    if (inputs.IsDefined() && inputs.IsMap()) {
      for (const auto& input : inputs) {
        const auto key = input.first.as<std::string>();
        declared.insert(key);
        if (!given.contains(key) && is_demanded(input.second)) {
          found.demanded.push_back(key);
        }
      }
    }
    for (const std::string& key : given) {
      if (!declared.contains(key)) {
        found.undeclared.push_back(key);
      }
    }
  } catch (const YAML::Exception&) {
    found.is_yaml = false;
  }
  return found;
}

}  // namespace rollbackd::engine
