#pragma once
// A flow file's keys and those of its processors, read into a Draft: the flow, and what is still needed of the file to
// check it as a whole.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "flow/definition.h"
#include "flow/parameters.h"
#include "flow/settings.h"
#include "flow/statements.h"
#include "flow/yaml.h"
#include "plugin/registry.h"

namespace weir::flow {

/// What the file said of a processor, beside its definition.
struct ProcessorDraft {
  const Node* key = nullptr;
  const Node* body = nullptr;
  const plugin::Type* type = nullptr;  ///< null if it is unknown: then little else can be judged
  std::vector<SqlUse> uses;
  std::shared_ptr<const sql::Declaration> record;  ///< of `record:`
  QueueOptions queue;                              ///< of the connections that leave it
  bool sound = true;                               ///< its properties have no errors
};

/// A connection as written.
struct Route {
  std::uint32_t from = 0;
  std::uint32_t relationship = 0;
  const Node* target = nullptr;  ///< the scalar that names the processor
  std::string to;
  QueueOptions queue;
};

struct Draft {
  Flow flow;
  std::vector<ProcessorDraft> processors;  ///< beside flow.processors
  std::vector<const Node*> places;         ///< of flow.connections
  std::map<std::string, std::shared_ptr<const sql::Declaration>> records;
  QueueOptions queue;             ///< of `defaults:`
  Retain retain;                  ///< of `defaults:`
  const Node* failure = nullptr;  ///< of `defaults:`
  const Node* name = nullptr;     ///< of `flow:`
  std::set<std::uint32_t> meant;  ///< processors that a route with a slip in it was to lead to
};

class FlowReader {
 public:
  FlowReader(const Reporter& report, const std::vector<Problem>& problems, Parameters& parameters,
             plugin::Registry& registry)
      : report_(report), problems_(problems), parameters_(parameters), registry_(registry) {}

  Draft read(const Node& root);

 private:
  void read_defaults(const Node& node, Draft& draft) const;
  void read_provenance(const Node& node, ProvenanceOptions& options) const;
  void index_sources(const Node& root, Draft& draft) const;
  void read_processors(const Node& node, Draft& draft) const;
  void read_processor(const Member& member, Draft& draft) const;
  void read_options(const Node& body, const ProcessorDraft& draft, const std::vector<std::string>& relationships,
                    Processor& processor) const;
  void read_schedule(const Node& node, Schedule& schedule) const;
  void read_retries(const Node& node, Processor& processor) const;
  void read_retry(const Node& node, Retry& retry) const;
  void read_labels(const Node& node, Processor& processor) const;
  void read_record(const Node& node, const Draft& flow, ProcessorDraft& draft) const;
  void read_retain(const Node& node, Retain& retain) const;
  QueueOptions read_queue(const Node& node, QueueOptions queue) const;
  void read_relationships(const Node& body, ProcessorDraft& draft, Processor& processor) const;

  void read_routes(std::uint32_t index, Draft& draft) const;
  void read_targets(const Node& node, Route route, const Draft& draft, std::vector<Route>& routes) const;
  void read_drops(const Node& node, Processor& processor) const;
  void connect(const std::vector<Route>& routes, std::uint32_t index, Draft& draft) const;
  void finish_relationships(std::uint32_t index, Draft& draft) const;

  std::string text(const Node& node, std::string_view what) const;
  bool boolean(const Node& node, std::string_view what, bool otherwise) const;
  std::optional<std::uint64_t> count(const Node& node, std::string_view what, std::uint64_t least) const;
  Duration duration(const Node& node, std::string_view what, Duration otherwise) const;
  std::uint64_t bytes(const Node& node, std::string_view what, std::uint64_t otherwise) const;
  bool map(const Node& node, std::string_view what, const std::vector<std::string>& keys) const;
  /// Reported so far; more of them than before means that what was read cannot be used.
  std::size_t errors() const;

  const Reporter& report_;
  const std::vector<Problem>& problems_;
  Parameters& parameters_;
  plugin::Registry& registry_;
};

}  // namespace weir::flow
