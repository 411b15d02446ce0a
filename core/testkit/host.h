#pragma once
// The context that a processor under test is given.

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sql/engine.h"
#include "weir/record.h"
#include "weir/testkit.h"

namespace weir::testkit {

/// Every function may be called from any thread, as the SDK promises; one lock guards all of it.
class TestContext final : public abi::Context, private abi::Readiness {
 public:
  TestContext(const Options& options, std::vector<std::string> relationships,
              std::shared_ptr<const sql::Declaration> record, std::shared_ptr<const sql::Declaration> emitted,
              bool has_input);
  ~TestContext();

  abi::Text flow() const override { return text(options_.flow); }
  abi::Text name() const override { return text(options_.name); }
  abi::Text folder() override;
  abi::Text store_id() const override;
  std::uint32_t input_count() const override { return has_input_ ? 1 : 0; }
  abi::Input input(std::uint32_t index) const override;
  std::uint32_t relationship(abi::Text name) const override;
  bool exactly_once() const override { return options_.exactly_once; }
  bool until_idle() const override { return options_.until_idle; }
  std::int64_t now() const override;
  void wake() override;
  void log(abi::Level level, abi::Text message) override;
  void bulletin(abi::Level level, abi::Text message) override;
  abi::Metric* metric(abi::Text name, abi::Text help, bool counter) override;
  void* interface(const char* name) override;

  void set_now(std::int64_t now);
  /// What input() tells the next instance.
  void set_input(std::uint64_t cursor, std::uint64_t next);
  /// Whether wake() was called since; forgets it.
  bool take_wake();
  /// Waits for a wake, up to a moment.
  void wait_for_wake(std::chrono::steady_clock::time_point until);
  std::vector<Bulletin> bulletins() const;
  std::vector<Bulletin> logs() const;
  std::string not_ready() const;
  double metric_value(std::string_view name) const;
  const std::string& connection() const { return connection_; }
  const std::vector<std::string>& relationships() const { return relationships_; }

 private:
  class Gauge;
  void waits_for(abi::Text what) override;
  static abi::Text text(const std::string& s) { return {s.data(), s.size()}; }

  const Options options_;
  const std::vector<std::string> relationships_;
  const bool has_input_;
  const std::string connection_;
  std::unique_ptr<abi::Sql> sql_;
  std::unique_ptr<abi::DeclaredRecord> record_;  ///< null: undeclared
  std::unique_ptr<abi::EmittedRecord> emitted_;  ///< null: undeclared

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable woken_;
  bool wake_ = false;
  std::int64_t now_;
  std::uint64_t cursor_ = 0;
  std::uint64_t next_ = 0;
  std::filesystem::path folder_;
  std::string folder_text_;
  std::vector<Bulletin> bulletins_;
  std::vector<Bulletin> logs_;
  std::string waits_for_;
  std::map<std::string, std::unique_ptr<Gauge>, std::less<>> metrics_;
};

}  // namespace weir::testkit
