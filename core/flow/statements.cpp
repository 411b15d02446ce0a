#include "flow/statements.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "flow/database_tables.h"
#include "plugin/nearest.h"
#include "sql/check.h"

namespace weir::flow {

namespace {

/// The declared field that was probably meant by the name at a place in SQL.
std::string near_field(const sql::Declaration* record, std::string_view sql, std::size_t offset) {
  if (record == nullptr || offset >= sql.size()) return {};
  std::size_t end = offset;
  while (end < sql.size() && (std::isalnum(static_cast<unsigned char>(sql[end])) != 0 || sql[end] == '_')) ++end;
  std::vector<std::string> names;
  for (const auto& field : record->fields) names.push_back(field.name);
  const auto name = sql.substr(offset, end - offset);
  auto near = nearest(name, names);
  return near == name ? std::string() : near;  // it is there: something else is wrong
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
  options.tables = table_sources(spec, settings);
  for (const auto& use : uses) {
    const auto result = sql::check(use.kind, use.sql.value, record, options);
    if (!result.ok()) {
      const auto at = std::min(use.sql.origin(result.offset), use.node->text.size());
      auto near = result.nearest.empty() ? near_field(record, use.sql.value, result.offset) : result.nearest.front();
      report.error_inside(*use.node, at, fmt::format("'{}' of '{}': {}", use.property, processor, result.error), {},
                          std::move(near));
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
