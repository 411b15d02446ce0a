#include "flow/statements.h"

#include <fmt/core.h>

#include <algorithm>

#include "sql/check.h"

namespace weir::flow {

namespace {

/// Reference tables: the `tables` property, where a type has one.
std::vector<sql::TableSource> tables_of(const boost::property_tree::ptree& settings) {
  std::vector<sql::TableSource> tables;
  const auto found = settings.find("tables");
  if (found == settings.not_found()) return tables;
  for (const auto& [name, table] : found->second) {
    const auto option = [&, &source = table](const char* key) {
      const auto at = source.find(key);
      return at == source.not_found() ? std::string() : at->second.data();
    };
    tables.push_back({name.empty() ? option("name") : name, option("format"), option("path"), option("table")});
  }
  return tables;
}

}  // namespace

StatementFacts check_statements(const std::vector<SqlUse>& uses, const sql::Declaration* record, const abi::Spec& spec,
                                const boost::property_tree::ptree& settings, const std::string& processor,
                                const Reporter& report) {
  StatementFacts facts;
  sql::CheckOptions options;
  const auto per = settings.find("per");
  options.per_flowfile =
      (spec.flags & abi::kPerFlowFile) != 0 || (per != settings.not_found() && per->second.data() == "flowfile");
  options.generator = (spec.flags & abi::kGenerator) != 0;
  options.tables = tables_of(settings);
  for (const auto& use : uses) {
    const auto result = sql::check(use.kind, use.sql.value, record, options);
    if (!result.ok()) {
      const auto at = std::min(use.sql.origin(result.offset), use.node->text.size());
      report.error_inside(*use.node, at, fmt::format("'{}' of '{}': {}", use.property, processor, result.error), {},
                          result.nearest.empty() ? std::string() : result.nearest.front());
      continue;
    }
    for (const auto& field : result.fields) {
      if (std::find(facts.fields.begin(), facts.fields.end(), field) == facts.fields.end())
        facts.fields.push_back(field);
    }
    if (use.kind == abi::Kind::select) facts.output = result.output;
  }
  return facts;
}

}  // namespace weir::flow
