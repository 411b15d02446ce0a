#pragma once
// What the host offers a processor instance, from start() to stop().

#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"
#include "weir/spec.h"

namespace weir {

using abi::Level;

/// A number shown in /metrics as weir_processor_<name>, labelled with flow and processor. Thread-safe.
class Metric {
 public:
  explicit Metric(abi::Metric* metric = nullptr) : metric_(metric) {}
  void add(double value) {
    if (metric_ != nullptr) metric_->add(value);
  }
  void set(double value) {
    if (metric_ != nullptr) metric_->set(value);
  }

 private:
  abi::Metric* metric_;
};

/// Every function may be called from any thread. A processor keeps a copy; it stays valid until after stop().
class Context {
 public:
  explicit Context(abi::Context* context = nullptr) : context_(context) {}

  std::string_view flow() const { return view(context_->flow()); }
  std::string_view name() const { return view(context_->name()); }
  /// A directory of the processor's own inside the data directory.
  std::string folder() { return std::string(view(context_->folder())); }
  /// UUID of the data directory: with a connection's id it names this Weir's progress in a foreign store.
  std::string_view store_id() const { return view(context_->store_id()); }
  std::vector<abi::Input> inputs() const {
    std::vector<abi::Input> inputs;
    for (std::uint32_t i = 0; i < context_->input_count(); ++i) inputs.push_back(context_->input(i));
    return inputs;
  }
  /// Number of a relationship that the author named (abi::kNone: there is none).
  std::uint32_t relationship(std::string_view name) const { return context_->relationship(to_text(name)); }
  bool exactly_once() const { return context_->exactly_once(); }
  /// Batch mode: a source ends (Session::finished) when it has nothing more.
  bool until_idle() const { return context_->until_idle(); }
  std::int64_t now() const { return context_->now(); }
  /// Asks for a step soon: a source's poll, any other's step, with an empty batch if there is no input.
  void wake() { context_->wake(); }
  void log(Level level, std::string_view message) { context_->log(level, to_text(message)); }
  /// A message for the operator: shown with the processor, kept, and logged.
  void bulletin(Level level, std::string_view message) { context_->bulletin(level, to_text(message)); }
  /// From now on the processor cannot do its work, for the reason given ("cannot connect to mqtt://here:1883: …"), and
  /// is at it: /readyz says so until ready(). One that has started counts as ready, unless it calls this in start().
  /// Not needed for what is thrown as Unavailable, which the engine knows.
  void not_ready(std::string_view why) { tell_readiness(why); }
  /// It has reached what it waited for.
  void ready() { tell_readiness({}); }
  Metric counter(std::string_view name, std::string_view help) {
    return Metric(context_->metric(to_text(name), to_text(help), true));
  }
  Metric gauge(std::string_view name, std::string_view help) {
    return Metric(context_->metric(to_text(name), to_text(help), false));
  }
  abi::Context* raw() const { return context_; }

 private:
  void tell_readiness(std::string_view why) {
    if (auto* readiness = static_cast<abi::Readiness*>(context_->interface(abi::kReadinessInterface)))
      readiness->waits_for(to_text(why));
  }
  abi::Context* context_;
};

}  // namespace weir
