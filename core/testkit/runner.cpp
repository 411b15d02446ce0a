#include <algorithm>
#include <boost/property_tree/ptree.hpp>
#include <optional>
#include <set>
#include <stdexcept>

#include "engine/session.h"
#include "flow/records.h"
#include "flow/settings.h"
#include "flow/statements.h"
#include "testkit/content.h"
#include "testkit/host.h"
#include "weir/errors.h"
#include "weir/spec.h"
#include "weir/sql.h"

namespace weir::testkit {

namespace {

constexpr std::uint64_t kMostSteps = 1'000'000;

struct Prepared {
  boost::property_tree::ptree settings;
  std::shared_ptr<const sql::Declaration> record;
  std::shared_ptr<const sql::Declaration> emits;
  std::vector<std::string> relationships;
};

/// The properties, validated as a flow's are.
Prepared prepare(const abi::Spec& spec, const std::string& properties, const Options& options) {
  std::vector<flow::Problem> problems;
  Prepared prepared;
  const flow::Surroundings nothing;
  const auto declared = [&](const std::string& name, const std::string& yaml) {
    std::shared_ptr<const sql::Declaration> record;
    if (yaml.empty()) return record;
    const flow::Source source(name, yaml);
    const flow::Reporter report(source, problems);
    const flow::Parameters parameters(report, nothing);
    if (const auto node = flow::parse_yaml(source, problems))
      record = flow::read_record(name, *node, report, parameters);
    return record;
  };
  prepared.record = declared("record", options.record);
  prepared.emits = declared("emits", options.emits);
  const bool empty = properties.find_first_not_of(" \t\r\n") == std::string::npos;
  const flow::Source source("properties", empty ? "{}" : properties);
  const flow::Reporter report(source, problems);
  const flow::Parameters parameters(report, nothing);
  const auto node = flow::parse_yaml(source, problems);
  if (node) {
    std::vector<flow::SqlUse> uses;
    prepared.settings = flow::SettingsReader(report, parameters, uses).read(spec, *node, *node);
    flow::check_statements(uses, prepared.record.get(), spec, prepared.settings, std::string(view(spec.type)), report);
  }
  for (std::uint32_t i = 0; i < spec.relationship_count; ++i)
    prepared.relationships.emplace_back(view(spec.relationships[i].name));
  if (const auto from = prepared.settings.find(std::string(view(spec.relationships_from)));
      from != prepared.settings.not_found()) {
    for (const auto& [name, ignored] : from->second) prepared.relationships.push_back(name);
  }
  std::string messages;
  for (const auto& problem : problems) {
    if (problem.severity == flow::Severity::error) messages += (messages.empty() ? "" : "\n") + to_string(problem);
  }
  if (!messages.empty()) throw std::runtime_error(messages);
  return prepared;
}

}  // namespace

const abi::ProcessorType* find_type(const abi::Plugin* plugin, std::string_view name) {
  for (std::uint32_t i = 0; i < plugin->type_count(); ++i) {
    if (view(plugin->type(i)->spec()->type) == name) return plugin->type(i);
  }
  throw std::runtime_error("the plugin has no type " + std::string(name));
}

/// The runtime of one processor, in memory.
class Runner::Host {
 public:
  Host(const abi::ProcessorType* type, const std::string& properties, const Options& options)
      : spec_(*type->spec()),
        source_((spec_.flags & abi::kSource) != 0),
        prepared_(prepare(spec_, properties, options)),
        type_(type),
        options_(options),
        context_(options, prepared_.relationships, prepared_.record, prepared_.emits, !source_),
        now_(options.start) {
    if (options.exactly_once && (spec_.flags & abi::kExactlyOnce) == 0)
      throw std::runtime_error(std::string(view(spec_.type)) + " does not offer delivery: exactly_once");
    start();
  }

  ~Host() { end(true); }

  std::uint64_t push(std::string_view content, const Attributes& attributes, std::uint32_t records) {
    if (source_) throw std::runtime_error("a source takes no input");
    auto arena = std::make_shared<store::Arena>();
    abi::Item item{};
    auto* bytes = arena->allocate(content.size());
    std::copy(content.begin(), content.end(), bytes);
    item.data = bytes;
    item.size = content.size();
    item.records = records;
    item.born = now_;
    auto* list = reinterpret_cast<abi::Attribute*>(
        arena->allocate(std::max<std::size_t>(1, attributes.size()) * sizeof(abi::Attribute), alignof(abi::Attribute)));
    item.attributes = list;
    for (const auto& [name, value] : attributes) list[item.attribute_count++] = {arena->copy(name), arena->copy(value)};
    auto batch = std::make_shared<store::Batch>();
    batch->items.push_back(item);
    batch->arenas.push_back(std::move(arena));
    const auto sequence = committed_.next++;
    const Entry entry{sequence, 0, 0, batch, 0};
    committed_.queue.emplace(sequence, entry);
    if (options_.exactly_once) {
      durable_.queue.emplace(sequence, entry);
      durable_.next = committed_.next;
    }
    return sequence;
  }

  bool step() {
    if (tick_at_ != 0 && tick_at_ <= now_) {
      tick_at_ = 0;
      run_session(abi::Trigger::tick, {});
      return true;
    }
    if (source_) {
      if (finished_) return false;
      context_.take_wake();
      run_session(abi::Trigger::input, {});
      return true;
    }
    const bool woken = context_.take_wake();
    auto entries = due();
    if (entries.empty() && !woken) return false;
    run_inputs(std::move(entries));
    return true;
  }

  /// A source is polled on until it neither asks for more nor was woken.
  void run() {
    for (std::uint64_t steps = 0; steps < kMostSteps; ++steps) {
      again_ = false;
      if (!step()) return;
      if (!source_) continue;  // the next step takes up what woke it in this one
      const bool more = again_ || context_.take_wake() || (tick_at_ != 0 && tick_at_ <= now_);
      if (!more) return;
    }
    throw std::runtime_error("the processor still asks for steps after 1,000,000 of them");
  }

  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds within) {
    const auto deadline = std::chrono::steady_clock::now() + within;
    while (true) {
      run();
      if (done()) return true;
      if (std::chrono::steady_clock::now() >= deadline) return false;
      // `done` may look at more than the processor: not only a wake is waited for.
      const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
      context_.wait_for_wake(std::min(soon, deadline));
    }
  }

  void trigger(abi::Trigger trigger) { run_session(trigger, {}); }

  void advance(Duration duration) {
    const auto target = now_ + duration.count();
    if (target < now_) {
      if (tick_at_ != 0) tick_at_ += duration.count();
      for (auto& [sequence, entry] : committed_.queue) entry.due += entry.due == 0 ? 0 : duration.count();
    }
    while (tick_at_ != 0 && tick_at_ <= target) {
      set_now(std::max(now_, tick_at_));
      run();
    }
    set_now(target);
    run();
  }

  void durable() {
    if (!committed_.held.empty() || !tokens_.empty()) run_session(abi::Trigger::flush, {});
    durable_ = committed_;
    for (const auto& held : committed_.held)  // after a crash they are queued again
      durable_.queue.emplace(held.sequence, Entry{held.sequence, 0, 0, held.batch, held.index});
    durable_.held.clear();
    for (const auto token : std::exchange(tokens_, {})) processor_->durable(token);
  }

  void crash() {
    end(false);
    committed_ = durable_;
    tokens_.clear();
    tick_at_ = 0;
    finished_ = again_ = false;
    start();
  }

  void restart() {
    durable();
    end(true);
    crash();
  }

  std::vector<Output> take(std::string_view relationship) {
    const auto& names = context_.relationships();
    if (std::find(names.begin(), names.end(), relationship) == names.end())
      throw std::runtime_error("there is no relationship '" + std::string(relationship) + "'");
    return std::exchange(outputs_[std::string(relationship)], {});
  }

  struct Entry {
    std::uint64_t sequence;
    std::int64_t due;      ///< of a penalized one
    std::uint64_t offset;  ///< of a partly consumed one
    store::BatchRef batch;
    std::uint32_t index;
  };

  /// What an epoch holds.
  struct State {
    std::map<std::uint64_t, Entry> queue;
    std::vector<engine::HeldEntry> held;
    engine::StateMap state;
    std::map<std::uint64_t, std::set<std::uint64_t>> groups;
    std::uint64_t next = 0;

    std::uint64_t cursor() const {
      auto first = queue.empty() ? next : queue.begin()->first;
      for (const auto& entry : held) first = std::min(first, entry.sequence);
      return first;
    }
  };

  const State& committed() const { return committed_; }
  const TestContext& context() const { return context_; }
  TestContext& context() { return context_; }
  const std::vector<Dropped>& dropped() const { return dropped_; }
  const std::vector<Event>& events() const { return events_; }
  std::int64_t now() const { return now_; }
  std::int64_t next_tick() const { return tick_at_; }
  bool finished() const { return finished_; }

 private:
  void start() {
    context_.set_input(committed_.cursor(), committed_.next);
    const flow::SettingsNode settings(prepared_.settings, options_.exactly_once);
    detail::Message message;
    abi::Processor* processor = nullptr;
    detail::raise(type_->create(&settings, &processor, &message), message.text());
    processor_ = processor;
    const auto status = processor_->start(&context_, &message);
    if (status == abi::Status::ok) return;
    end(false);
    detail::raise(status, message.text());
  }

  void end(bool stop) {
    if (processor_ == nullptr) return;
    if (stop) processor_->stop();
    std::exchange(processor_, nullptr)->destroy();
  }

  void set_now(std::int64_t now) {
    now_ = now;
    context_.set_now(now);
  }

  std::vector<Entry> due() const {
    std::vector<Entry> entries;
    for (const auto& [sequence, entry] : committed_.queue) {
      if (entry.due > now_) continue;
      // What was consumed in part comes first in a session.
      if (entry.offset != 0 && !entries.empty()) break;
      entries.push_back(entry);
      if (entries.size() == options_.batch) break;
    }
    return entries;
  }

  /// A batch that is rejected as a whole is tried again one by one, so that only the bad ones go to failure.
  void run_inputs(std::vector<Entry> entries) {
    try {
      run_session(abi::Trigger::input, entries);
    } catch (const Rejected& error) {
      if (entries.size() == 1) return reject(entries[0], error.what());
      if (entries.empty()) throw;
      for (auto& entry : entries) run_inputs({std::move(entry)});
    }
  }

  engine::SessionInput input_of(const std::vector<Entry>& entries) const {
    engine::SessionInput input;
    if (!entries.empty()) {
      auto batch = std::make_shared<store::Batch>();
      for (const auto& entry : entries) {
        batch->items.push_back(entry.batch->items[entry.index]);
        batch->arenas.insert(batch->arenas.end(), entry.batch->arenas.begin(), entry.batch->arenas.end());
        input.sequences.push_back(entry.sequence);
      }
      input.batch = std::move(batch);
      input.count = static_cast<std::uint32_t>(entries.size());
      input.first_sequence = entries[0].sequence;
      input.first_offset = entries[0].offset;
    }
    input.connection_id = context_.connection();
    input.durable_cursor = durable_.cursor();
    input.now = now_;
    input.state = &committed_.state;
    input.held = &committed_.held;
    input.came_by = {{0, input.connection_id}};
    input.failure = context_.relationship(to_text("failure"));
    input.processor_name = options_.name;
    return input;
  }

  void reject(const Entry& entry, const std::string& message) {
    engine::SessionBuilder session(input_of({entry}), write_content, nullptr);
    session.reject(0, to_text(message));
    session.finish();
    apply(session);
  }

  void run_session(abi::Trigger trigger, const std::vector<Entry>& entries) {
    engine::SessionBuilder session(input_of(entries), write_content, nullptr);
    detail::Message message;
    const auto status = processor_->step(&session, trigger, &message);
    detail::raise(status, message.text());
    session.finish();
    apply(session);
  }

  void apply(engine::SessionBuilder& session) {
    auto& outcome = session.outcome();
    for (const auto& transfer : outcome.transfers) {
      if (transfer.relationship >= context_.relationships().size())
        throw std::logic_error("transferred to relationship number " + std::to_string(transfer.relationship) +
                               ", which the processor does not have");
    }
    check_partial(outcome);
    for (const auto& [input, group] : outcome.contributions) committed_.groups[group].insert(session.sequence(input));
    for (const auto& transfer : outcome.transfers)
      outputs_[context_.relationships()[transfer.relationship]].push_back(output(session, transfer.handle));
    for (const auto& [handle, reason] : outcome.dropped)
      dropped_.push_back({session.sequence(handle), reason, std::string(view(session.content(handle)))});
    if (outcome.event) events_.push_back({outcome.event->type, outcome.event->transit_uri, outcome.event->details});
    for (const auto& [key, value] : outcome.state) {
      if (value) {
        committed_.state.insert_or_assign(key, *value);
      } else {
        committed_.state.erase(key);
      }
    }
    settle(session);
    if (outcome.tick_at != 0 && (tick_at_ == 0 || outcome.tick_at < tick_at_)) tick_at_ = outcome.tick_at;
    again_ |= outcome.again;
    finished_ |= outcome.finished;
    tokens_.insert(tokens_.end(), outcome.tokens.begin(), outcome.tokens.end());
  }

  static void check_partial(const engine::Outcome& outcome) {
    const auto partial = std::find(outcome.inputs.begin(), outcome.inputs.end(), engine::Disposition::partial);
    if (partial != outcome.inputs.end() &&
        std::any_of(partial + 1, outcome.inputs.end(), [](auto d) { return d != engine::Disposition::none; }))
      throw std::logic_error("an input after the one given to consume_until was used: it comes again, and so twice");
  }

  /// The inputs' and held FlowFiles' new places.
  void settle(engine::SessionBuilder& session) {
    const auto& outcome = session.outcome();
    const auto& input = session.input();
    std::vector<engine::HeldEntry> held;
    std::vector<bool> finished(committed_.held.size(), false);
    for (const auto& extra : outcome.extras) {
      if (extra.held != abi::kNone) finished[extra.held] = extra.disposition != engine::Disposition::held;
    }
    for (std::size_t i = 0; i < committed_.held.size(); ++i) {
      if (!finished[i]) held.push_back(committed_.held[i]);
    }
    for (std::uint32_t i = 0; i < input.count; ++i) {
      const auto sequence = session.sequence(i);
      const auto disposition = outcome.inputs[i];
      if (disposition == engine::Disposition::partial) {
        committed_.queue.at(sequence).offset = outcome.partial_offset;
        break;  // what follows comes again
      }
      if (disposition == engine::Disposition::penalized) continue;
      const auto entry = committed_.queue.extract(sequence).mapped();
      if (disposition == engine::Disposition::held) held.push_back({sequence, 0, entry.batch, entry.index});
    }
    for (const auto& [handle, pause] : outcome.penalized)
      committed_.queue.at(session.sequence(handle)).due = now_ + pause;
    committed_.held = std::move(held);
  }

  Output output(engine::SessionBuilder& session, std::uint32_t handle) {
    const auto* item = session.item(handle);
    Output output;
    output.content = view(session.content(handle));
    for (std::uint32_t i = 0; i < item->attribute_count; ++i)
      output.attributes.emplace(view(item->attributes[i].name), view(item->attributes[i].value));
    output.records = item->records;
    std::set<std::uint64_t> parents;
    collect_parents(session, handle, parents);
    output.parents.assign(parents.begin(), parents.end());
    return output;
  }

  void collect_parents(engine::SessionBuilder& session, std::uint32_t handle, std::set<std::uint64_t>& parents) {
    const auto& outcome = session.outcome();
    const auto count = session.input_count();
    if (handle < count || outcome.extras[handle - count].held != abi::kNone) {
      parents.insert(session.sequence(handle));
      return;
    }
    const auto& extra = outcome.extras[handle - count];
    for (std::uint32_t i = 0; i < extra.parent_count; ++i)
      collect_parents(session, outcome.parents[extra.first_parent + i], parents);
    if (extra.from_group) parents.insert(committed_.groups[extra.group].begin(), committed_.groups[extra.group].end());
  }

  const abi::Spec& spec_;
  const bool source_;
  const Prepared prepared_;
  const abi::ProcessorType* type_;
  const Options options_;
  TestContext context_;
  abi::Processor* processor_ = nullptr;
  State committed_;
  State durable_;
  std::map<std::string, std::vector<Output>, std::less<>> outputs_;
  std::vector<Dropped> dropped_;
  std::vector<Event> events_;
  std::vector<std::uint64_t> tokens_;
  std::int64_t now_;
  std::int64_t tick_at_ = 0;
  bool again_ = false;
  bool finished_ = false;
};

Runner::Runner(const abi::ProcessorType* type, const std::string& properties, Options options)
    : host_(std::make_unique<Host>(type, properties, options)) {}
Runner::~Runner() = default;

std::uint64_t Runner::push(std::string_view content, const Attributes& attributes, std::uint32_t records) {
  return host_->push(content, attributes, records);
}
void Runner::run() {
  host_->run();
}
bool Runner::step() {
  return host_->step();
}
bool Runner::run_until(const std::function<bool()>& done, std::chrono::milliseconds within) {
  return host_->run_until(done, within);
}
void Runner::tick() {
  host_->trigger(abi::Trigger::tick);
}
void Runner::flush() {
  host_->trigger(abi::Trigger::flush);
}
void Runner::finish() {
  host_->trigger(abi::Trigger::finish);
}
void Runner::advance(Duration duration) {
  host_->advance(duration);
}
std::int64_t Runner::now() const {
  return host_->now();
}
void Runner::durable() {
  host_->durable();
}
void Runner::crash() {
  host_->crash();
}
void Runner::restart() {
  host_->restart();
}
std::vector<Output> Runner::take(std::string_view relationship) {
  return host_->take(relationship);
}
std::uint64_t Runner::queued() const {
  return host_->committed().queue.size();
}
std::uint64_t Runner::held() const {
  return host_->committed().held.size();
}
const std::vector<Dropped>& Runner::dropped() const {
  return host_->dropped();
}
const std::vector<Event>& Runner::events() const {
  return host_->events();
}
std::vector<Bulletin> Runner::bulletins() const {
  return host_->context().bulletins();
}
std::vector<Bulletin> Runner::logs() const {
  return host_->context().logs();
}
const std::map<std::string, std::string, std::less<>>& Runner::state() const {
  return host_->committed().state;
}
double Runner::metric(std::string_view name) const {
  return host_->context().metric_value(name);
}
std::string Runner::not_ready() const {
  return host_->context().not_ready();
}
bool Runner::finished() const {
  return host_->finished();
}
std::int64_t Runner::next_tick() const {
  return host_->next_tick();
}
std::string Runner::folder() const {
  return std::string(view(host_->context().folder()));
}
std::string Runner::connection() const {
  return host_->context().connection();
}

}  // namespace weir::testkit
