#include "engine/doctor/patient.hpp"

#include "engine/asio.hpp"

namespace rollbackd::engine {

std::vector<Deploying> deploying(const Settings& settings) {
  std::vector<Deploying> all{
      {"every service", settings.policies.of(rules::Service{}), settings.execution}};
  for (const auto& [name, execution] : settings.environment_execution) {
    all.push_back({name, settings.policies.of(rules::Service{name, ""}), execution});
  }
  for (const auto& [service, execution] : settings.service_execution) {
    all.push_back(
        {service.environment + "/" + service.name, settings.policies.of(service), execution});
  }
  return all;
}

HttpOutcome ask_and_wait(HttpRequest request) {
  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
  HttpOutcome answer;
  client.send(std::move(request), [&answer](HttpOutcome outcome) { answer = std::move(outcome); });
  reactor.run();
  return answer;
}

}  // namespace rollbackd::engine
