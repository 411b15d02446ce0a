#include "options.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>

#include "weir/errors.h"

namespace weir::kafka {
namespace {

/// Options that a property of the processor, or its promise, decides; with what to say instead.
const std::map<std::string_view, std::string_view> kDecided = {
    {"bootstrap.servers", "use the property 'brokers'"},
    {"metadata.broker.list", "use the property 'brokers'"},
    {"group.id", "use the property 'group'"},
    {"auto.offset.reset", "use the property 'start'"},
    {"isolation.level", "use the property 'isolation'"},
    {"compression.codec", "use the property 'compression'"},
    {"compression.type", "use the property 'compression'"},
    {"acks", "use the property 'acks'"},
    {"request.required.acks", "use the property 'acks'"},
    {"enable.auto.commit", "offsets are committed when a durable epoch has what was read"},
    {"enable.auto.offset.store", "offsets are committed when a durable epoch has what was read"},
    {"auto.commit.enable", "offsets are committed when a durable epoch has what was read"},
    {"enable.partition.eof", "the processor needs it on"},
    {"partition.assignment.strategy",
     "the processor uses cooperative-sticky, or range where librdkafka is older than 2.10"},
    {"group.protocol", "the processor shares the partitions by the classic protocol"},
    {"transactional.id", "it follows from `delivery: exactly_once`"},
    {"enable.idempotence", "the sink's order depends on it being on"},
    {"enable.gapless.guarantee", "the sink's own promise is wider"}};

/// All options by name, with who has them: C, P or * for both. From librdkafka's own table, as configure-time has none.
std::map<std::string, char> all_options() {
  char* text = nullptr;
  std::size_t size = 0;
  auto* memory = ::open_memstream(&text, &size);
  if (memory == nullptr) throw std::bad_alloc();
  rd_kafka_conf_properties_show(memory);
  std::fclose(memory);
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  std::map<std::string, char> options;
  std::istringstream lines(std::string(text, size));
  for (std::string line; std::getline(lines, line);) {
    // name | C/P | range | default | importance | description
    const auto bar = line.find('|');
    if (bar == std::string::npos || line.find_first_of("*CP", bar) == std::string::npos) continue;
    const auto name = line.substr(0, line.find(' '));
    const auto role = line[line.find_first_of("*CP", bar)];
    if (name.empty() || name.starts_with('-') || name == "Property") continue;
    const auto [place, fresh] = options.emplace(name, role);
    if (!fresh && place->second != role) place->second = '*';
  }
  return options;
}

std::string one_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& names) {
  std::string best;
  auto best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : names) {
    if (const auto d = distance(name, candidate); d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

void check_options(const Options& options, Role role) {
  if (options.empty()) return;
  const auto known = all_options();
  const std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> conf(rd_kafka_conf_new(),
                                                                                &rd_kafka_conf_destroy);
  for (const auto& [name, value] : options) {
    if (const auto decided = kDecided.find(name); decided != kDecided.end())
      throw Misconfigured("options: '" + name + "' cannot be set here: " + std::string(decided->second));
    const auto found = known.find(name);
    if (found == known.end()) {
      std::vector<std::string> names;
      for (const auto& [candidate, of] : known) names.push_back(candidate);
      const auto suggestion = nearest(name, names);
      throw Misconfigured("options: librdkafka has no option '" + name + "'" +
                          (suggestion.empty() ? "" : "; did you mean '" + suggestion + "'?"));
    }
    if (found->second == (role == Role::consumer ? 'P' : 'C'))
      throw Misconfigured("options: '" + name + "' is an option of " +
                          (role == Role::consumer ? "producers; this is a consumer" : "consumers; this is a producer"));
    char error[512];
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK)
      throw Misconfigured("options: " + name + ": " + one_line(error));
  }
}

void check_together(const Options& options, const Options& own) {
  if (options.empty()) return;
  std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> conf(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t*, int, const char*, const char*) {});
  char error[512];
  for (const auto* all : {&options, &own}) {
    for (const auto& [name, value] : *all)
      rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error, sizeof error);
  }
  auto* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), error, sizeof error);
  if (client == nullptr) throw Misconfigured("options: librdkafka refuses them together: " + one_line(error));
  static_cast<void>(conf.release());  // it is the client's now
  rd_kafka_destroy(client);
}

}  // namespace weir::kafka
