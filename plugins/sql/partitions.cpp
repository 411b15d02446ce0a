#include "partitions.h"

#include <cstdint>

namespace weir::db {

namespace {

constexpr std::size_t kMostKnown = 10'000;

std::string quoted(const std::string& name, Dialect dialect) {
  const char quote = dialect == Dialect::mariadb ? '`' : '"';
  std::string result(1, quote);
  for (const char c : name) {
    if (c == quote) result += quote;
    result += c;
  }
  return result + quote;
}

/// Why the value cannot name a partition or a version, or nothing.
std::string read(const Value& value, const std::string& name, std::string& to) {
  switch (value.type) {
    case ValueType::text:
      to = view(value.text);
      return {};
    case ValueType::integer:
      to = std::to_string(value.integer);
      return {};
    case ValueType::null:
      return name + " is NULL, and decides what is replaced";
    case ValueType::real:
    case ValueType::json:
      break;
  }
  return name + " decides what is replaced: text or a whole number is needed";
}

}  // namespace

Partitions::Partitions(Connection& connection, const std::string& table, std::vector<NamedColumn> partition,
                       NamedColumn version)
    : connection_(&connection), partition_(std::move(partition)), version_(std::move(version)) {
  std::string where = " WHERE ";
  for (const auto& [name, column] : partition_) where += quoted(name, connection.dialect()) + " = ? AND ";
  where += quoted(version_.first, connection.dialect());
  const auto from = " FROM " + connection.table_name(table) + where;
  find_higher_ = "SELECT 1" + from + " > ? LIMIT 1";
  delete_lower_ = "DELETE" + from + " < ?";
  key_.resize(partition_.size());
}

std::vector<std::size_t> Partitions::places() const {
  std::vector<std::size_t> places;
  for (const auto& [name, column] : partition_) places.push_back(column);
  places.push_back(version_.second);
  return places;
}

bool Partitions::admits(const Value* values, const std::function<void()>& write_out, std::string& objection) {
  for (std::size_t i = 0; i < partition_.size(); ++i) {
    objection = read(values[partition_[i].second], partition_[i].first, key_[i]);
    if (!objection.empty()) return false;
  }
  std::string version;
  objection = read(values[version_.second], version_.first, version);
  if (!objection.empty()) return false;
  const auto known = known_.find(key_);
  if (known != known_.end() && known->second.version == version) return !known->second.over;

  write_out();
  auto parameters = key_;
  parameters.push_back(version);
  const bool over = !connection_->query(find_higher_, parameters).empty();
  if (!over) connection_->query(delete_lower_, parameters);
  if (known_.size() >= kMostKnown) known_.clear();
  known_.insert_or_assign(key_, Known{std::move(version), over});
  return !over;
}

}  // namespace weir::db
