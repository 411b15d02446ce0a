#pragma once
// A processor's health check: whether its far side is there and lets it in, without moving any data. For
// `weir validate --connect`. It is an entry of its own beside WEIR_PLUGIN, which a plugin need not have:
//
//   std::string reach(const OrderSettings& settings);  // returns what it reached, "orders at https://…"
//   WEIR_CHECKS(weir::check(order_spec, reach))
//
// `reach` throws as a processor does: Unavailable, Misconfigured. It may wait, on a thread of its own, but nobody waits
// for it longer than some seconds; it leaves nothing behind on the far side, and needs no data directory.

#include <array>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include "weir/plugin.h"

namespace weir {

namespace abi {

/// The health check of one type.
class Check {
 public:
  virtual Text type() const = 0;
  /// The message is what was reached, or why it was not.
  virtual Status reach(const Node* settings, Report* report) const = 0;

 protected:
  ~Check() = default;
};

/// What the entry returns; it lives as long as the plugin.
class Checks {
 public:
  virtual std::uint32_t count() const = 0;
  virtual const Check* check(std::uint32_t index) const = 0;

 protected:
  ~Checks() = default;
};

inline constexpr const char* kChecksEntry = "weir_plugin_checks_1";
using ChecksEntry = const Checks* (*)();

}  // namespace abi

namespace detail {

template <class S, class Reach>
class CheckShim final : public abi::Check {
 public:
  CheckShim(const Spec<S>& spec, Reach run) : spec_(spec), run_(run) {}
  abi::Text type() const override { return spec_.get().get().type; }
  abi::Status reach(const abi::Node* settings, abi::Report* report) const override {
    return guarded(report, [&] {
      S parsed{};
      spec_.get().bind(parsed, *settings);
      const std::string reached = run_(parsed);
      report->message(to_text(reached));
    });
  }

 private:
  std::reference_wrapper<const Spec<S>> spec_;
  Reach run_;
};

template <class... Types>
class ChecksShim final : public abi::Checks {
 public:
  explicit ChecksShim(Types... checks) : checks_(std::move(checks)...) {
    std::size_t i = 0;
    std::apply([&](auto&... check) { ((list_[i++] = &check), ...); }, checks_);
  }
  std::uint32_t count() const override { return sizeof...(Types); }
  const abi::Check* check(std::uint32_t index) const override { return list_[index]; }

 private:
  std::tuple<Types...> checks_;
  std::array<const abi::Check*, sizeof...(Types)> list_{};
};

}  // namespace detail

/// A context of no flow, for clients that want to be told where to log: nobody reads it.
class QuietContext final : public abi::Context {
 public:
  abi::Text flow() const override { return to_text("check"); }
  abi::Text name() const override { return to_text("connection"); }
  abi::Text folder() override { return to_text(""); }
  abi::Text store_id() const override { return to_text("0"); }
  std::uint32_t input_count() const override { return 0; }
  abi::Input input(std::uint32_t) const override { return {}; }
  std::uint32_t relationship(abi::Text) const override { return abi::kNone; }
  bool exactly_once() const override { return false; }
  bool until_idle() const override { return false; }
  std::int64_t now() const override { return 0; }
  void wake() override {}
  void log(abi::Level, abi::Text) override {}
  void bulletin(abi::Level, abi::Text) override {}
  abi::Metric* metric(abi::Text, abi::Text, bool) override { return nullptr; }
  void* interface(const char*) override { return nullptr; }
};

/// The check of the processor type with this spec, for WEIR_CHECKS.
template <class S, class Reach>
detail::CheckShim<S, Reach> check(const Spec<S>& spec, Reach reach) {
  return {spec, reach};
}

}  // namespace weir

#define WEIR_CHECKS(...)                                                                              \
  extern "C" __attribute__((visibility("default"))) const weir::abi::Checks* weir_plugin_checks_1() { \
    static const weir::detail::ChecksShim checks{__VA_ARGS__};                                        \
    return &checks;                                                                                   \
  }
