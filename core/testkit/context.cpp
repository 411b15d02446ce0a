#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "sql/declared_record.h"
#include "testkit/host.h"
#include "weir/schedule.h"
#include "weir/spec.h"

namespace weir::testkit {

class TestContext::Gauge final : public abi::Metric {
 public:
  void add(double value) override { value_.fetch_add(value); }
  void set(double value) override { value_.store(value); }
  double value() const { return value_.load(); }

 private:
  std::atomic<double> value_{0};
};

TestContext::TestContext(const Options& options, std::vector<std::string> relationships,
                         std::shared_ptr<const sql::Declaration> record,
                         std::shared_ptr<const sql::Declaration> emitted, bool has_input)
    : options_(options),
      relationships_(std::move(relationships)),
      has_input_(has_input),
      connection_(options.flow + "/input/success/" + options.name),
      now_(options.start) {
  if (record) record_ = std::make_unique<sql::DeclaredRecord>(record);
  if (emitted) emitted_ = std::make_unique<sql::EmittedRecord>(std::move(emitted));
  sql_ = sql::make_sql(std::move(record), [this] { return now(); });
}

TestContext::~TestContext() {
  std::error_code ignored;  // a test's leftovers in /tmp are no failure of what it tests
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

abi::Text TestContext::folder() {
  const std::lock_guard lock(mutex_);
  if (folder_.empty()) {
    auto pattern = (std::filesystem::temp_directory_path() / "weir-testkit-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory can be made: " + pattern);
    folder_ = folder_text_ = pattern;
  }
  return text(folder_text_);
}

abi::Text TestContext::store_id() const {
  static const std::string id = "00000000-0000-4000-8000-000000000001";
  return text(id);
}

abi::Input TestContext::input(std::uint32_t) const {
  const std::lock_guard lock(mutex_);
  return {text(connection_), cursor_, next_};
}

std::uint32_t TestContext::relationship(abi::Text name) const {
  for (std::size_t i = 0; i < relationships_.size(); ++i) {
    if (relationships_[i] == view(name)) return static_cast<std::uint32_t>(i);
  }
  return abi::kNone;
}

std::int64_t TestContext::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

void TestContext::wake() {
  const std::lock_guard lock(mutex_);
  wake_ = true;
  woken_.notify_all();
}

void TestContext::log(abi::Level level, abi::Text message) {
  const std::lock_guard lock(mutex_);
  logs_.push_back({level, std::string(view(message))});
}

void TestContext::bulletin(abi::Level level, abi::Text message) {
  const std::lock_guard lock(mutex_);
  bulletins_.push_back({level, std::string(view(message))});
}

abi::Metric* TestContext::metric(abi::Text name, abi::Text, bool) {
  const std::lock_guard lock(mutex_);
  auto& metric = metrics_[std::string(view(name))];
  if (!metric) metric = std::make_unique<Gauge>();
  return metric.get();
}

void* TestContext::interface(const char* name) {
  if (std::string_view(name) == abi::kRecordInterface) return record_.get();
  if (std::string_view(name) == abi::kEmittedRecordInterface) return emitted_.get();
  if (std::string_view(name) == abi::kReadinessInterface) return static_cast<abi::Readiness*>(this);
  if (std::string_view(name) == abi::kLaneInterface) return options_.lane;
  if (std::string_view(name) == abi::kLaneHoldsInterface) return options_.lane_holds;
  if (std::string_view(name) == abi::kLaneEndInterface) return options_.lane_end;
  if (std::string_view(name) == abi::kScheduleInterface)
    return options_.scheduled ? static_cast<abi::Context*>(this) : nullptr;
  return std::string_view(name) == abi::kSqlInterface ? sql_.get() : nullptr;
}

void TestContext::waits_for(abi::Text what) {
  const std::lock_guard lock(mutex_);
  waits_for_ = view(what);
}

std::string TestContext::not_ready() const {
  const std::lock_guard lock(mutex_);
  return waits_for_;
}

void TestContext::set_now(std::int64_t now) {
  const std::lock_guard lock(mutex_);
  now_ = now;
}

void TestContext::set_input(std::uint64_t cursor, std::uint64_t next) {
  const std::lock_guard lock(mutex_);
  cursor_ = cursor;
  next_ = next;
}

bool TestContext::take_wake() {
  const std::lock_guard lock(mutex_);
  return std::exchange(wake_, false);
}

void TestContext::wait_for_wake(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  woken_.wait_until(lock, until, [this] { return wake_; });
}

std::vector<Bulletin> TestContext::bulletins() const {
  const std::lock_guard lock(mutex_);
  return bulletins_;
}

std::vector<Bulletin> TestContext::logs() const {
  const std::lock_guard lock(mutex_);
  return logs_;
}

double TestContext::metric_value(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = metrics_.find(name);
  return found == metrics_.end() ? 0 : found->second->value();
}

}  // namespace weir::testkit
