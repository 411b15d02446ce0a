#pragma once
// The one entry point of a plugin, and the trampolines that keep exceptions inside it.
//
//   WEIR_PLUGIN(weir::type<Checksum>(spec), weir::type<Crc64>(crc64_spec))

#include <array>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "weir/delivery.h"
#include "weir/processor.h"

namespace weir {

namespace detail {

/// Runs `work`, and turns what it throws into a Status and a message.
template <class F>
abi::Status guarded(abi::Report* report, F&& work) noexcept {
  const auto fail = [report](abi::Status status, std::string_view message) {
    report->message(to_text(message));
    return status;
  };
  try {
    work();
    return abi::Status::ok;
  } catch (const Rejected& error) {
    return fail(abi::Status::rejected, error.what());
  } catch (const Unavailable& error) {
    return fail(abi::Status::unavailable, error.what());
  } catch (const Misconfigured& error) {
    return fail(abi::Status::misconfigured, error.what());
  } catch (const std::exception& error) {
    return fail(abi::Status::defect, error.what());
  } catch (...) {
    return fail(abi::Status::defect, "threw something that is no std::exception");
  }
}

template <class P>
class ProcessorShim final : public abi::Processor {
 public:
  explicit ProcessorShim(std::unique_ptr<P> processor) : processor_(std::move(processor)) {}

  abi::Status start(abi::Context* context, abi::Report* report) override {
    return guarded(report, [&] {
      context_ = Context(context);
      processor_->start(context_);
    });
  }
  abi::Status step(abi::Session* raw, abi::Trigger trigger, abi::Report* report) override {
    return guarded(report, [&] {
      Session session(raw);
      switch (trigger) {
        case abi::Trigger::input:
          return processor_->step(Batch(raw), session);
        case abi::Trigger::tick:
          return processor_->tick(session);
        case abi::Trigger::flush:
          return processor_->flush(session);
        case abi::Trigger::finish:
          return processor_->finish(session);
      }
    });
  }
  void durable(std::uint64_t token) override { processor_->durable(token); }
  void stop() override { processor_->stop(); }
  void destroy() override { delete this; }

 private:
  ~ProcessorShim() = default;
  std::unique_ptr<P> processor_;
  Context context_;
};

/// The host hands it over beside the properties, none of which can have its name.
inline Delivery delivery_of(const abi::Node& settings) {
  for (std::uint32_t i = 0; i < settings.size(); ++i) {
    if (view(settings.key(i)) == "delivery" && view(settings.child(i)->value()) == "exactly_once")
      return Delivery::exactly_once;
  }
  return Delivery::at_least_once;
}

template <class P, class S>
class TypeShim final : public abi::ProcessorType {
 public:
  explicit TypeShim(const Spec<S>& spec) : spec_(spec) {}
  const abi::Spec* spec() const override { return &spec_.get(); }
  abi::Status create(const abi::Node* settings, abi::Processor** processor, abi::Report* report) const override {
    return guarded(report, [&] {
      S parsed{};
      spec_.bind(parsed, *settings);
      if constexpr (std::is_constructible_v<P, S, Delivery>) {
        *processor = new ProcessorShim<P>(std::make_unique<P>(std::move(parsed), delivery_of(*settings)));
      } else {
        *processor = new ProcessorShim<P>(std::make_unique<P>(std::move(parsed)));
      }
    });
  }

 private:
  const Spec<S>& spec_;
};

template <class... Types>
class PluginShim final : public abi::Plugin {
 public:
  explicit PluginShim(Types... types) : types_(std::move(types)...) {
    std::size_t i = 0;
    std::apply([&](auto&... type) { ((list_[i++] = &type), ...); }, types_);
  }
  std::uint32_t type_count() const override { return sizeof...(Types); }
  const abi::ProcessorType* type(std::uint32_t index) const override { return list_[index]; }

 private:
  std::tuple<Types...> types_;
  std::array<const abi::ProcessorType*, sizeof...(Types)> list_{};
};

}  // namespace detail

/// A processor class with its spec, for WEIR_PLUGIN. The spec has to outlive the plugin: make it a constant.
template <class P, class S>
detail::TypeShim<P, S> type(const Spec<S>& spec) {
  return detail::TypeShim<P, S>(spec);
}

}  // namespace weir

/// Defines the plugin's entry. The ABI version is in its name, so that a loader can read it without loading the file.
#define WEIR_PLUGIN(...)                                                                           \
  extern "C" __attribute__((visibility("default"))) const weir::abi::Plugin* weir_plugin_abi_1() { \
    static const weir::detail::PluginShim plugin{__VA_ARGS__};                                     \
    return &plugin;                                                                                \
  }
