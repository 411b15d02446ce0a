#pragma once
// A fake session for tests of what is below a processor: it has a clock, state and ticks, and nothing else.

#include <map>
#include <stdexcept>
#include <string>

#include "weir/session.h"

namespace weir::window {

class StateSession final : public abi::Session {
 public:
  std::int64_t clock = 1'700'000'000'000'000'000;
  std::int64_t tick = 0;  ///< the earliest asked for
  std::map<std::string, std::string, std::less<>> entries;

  bool state_get(abi::Text key, abi::Text* value) override {
    const auto at = entries.find(view(key));
    if (at == entries.end()) return false;
    *value = to_text(at->second);
    return true;
  }
  void state_set(abi::Text key, abi::Text value) override { entries[std::string(view(key))] = view(value); }
  void state_erase(abi::Text key) override { entries.erase(std::string(view(key))); }
  void state_scan(abi::Text from, abi::Text to, abi::StateVisitor* visitor) override {
    for (auto at = entries.lower_bound(view(from)); at != entries.end(); ++at) {
      if (to.size > 0 && at->first >= view(to)) return;
      if (!visitor->entry(to_text(at->first), to_text(at->second))) return;
    }
  }
  std::int64_t now() const override { return clock; }
  void tick_at(std::int64_t when) override { tick = tick == 0 ? when : std::min(tick, when); }

  const abi::Item* inputs() const override { no(); }
  std::uint32_t input_count() const override { return 0; }
  std::uint64_t sequence(std::uint32_t) const override { no(); }
  abi::Text connection() const override { no(); }
  std::uint64_t durable_cursor() const override { no(); }
  const abi::Item* item(std::uint32_t) const override { no(); }
  abi::Text content(std::uint32_t) override { no(); }
  std::uint64_t read(std::uint32_t, std::uint64_t, char*, std::uint64_t) override { no(); }
  std::uint64_t offset(std::uint32_t) const override { no(); }
  std::uint32_t create(const std::uint32_t*, std::uint32_t) override { no(); }
  char* append(std::uint32_t, std::uint64_t) override { no(); }
  void shrink(std::uint32_t, std::uint64_t) override { no(); }
  void share(std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t) override { no(); }
  void set(std::uint32_t, abi::Text, abi::Text) override { no(); }
  void erase(std::uint32_t, abi::Text) override { no(); }
  void records(std::uint32_t, std::uint32_t) override { no(); }
  bool routed(std::uint32_t) const override { no(); }
  void omit(std::uint32_t, std::uint64_t) override { no(); }
  void transfer(std::uint32_t, std::uint32_t) override { no(); }
  void transfer_each(const std::uint32_t*) override { no(); }
  void drop(std::uint32_t, abi::Text) override { no(); }
  void hold(std::uint32_t) override { no(); }
  void penalize(std::uint32_t, std::int64_t) override { no(); }
  void reject(std::uint32_t, abi::Text) override { no(); }
  void consume_until(std::uint32_t, std::uint64_t) override { no(); }
  bool over_budget() const override { return false; }
  std::uint32_t held_count() const override { return 0; }
  std::uint32_t take_held(std::uint32_t) override { no(); }
  std::uint64_t mark() override { no(); }
  void undo(std::uint64_t) override { no(); }
  void event(abi::Text, abi::Text, abi::Text) override { no(); }
  void contribute(std::uint32_t, std::uint64_t) override { no(); }
  void created_from_group(std::uint32_t, std::uint64_t) override { no(); }
  void again() override { no(); }
  void finished() override { no(); }
  void when_durable(std::uint64_t) override { no(); }

 private:
  [[noreturn]] static void no() { throw std::logic_error("this session has only a clock and state"); }
};

}  // namespace weir::window
