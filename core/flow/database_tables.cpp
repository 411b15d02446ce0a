#include "flow/database_tables.h"

#include <fmt/core.h>

#include <algorithm>

#include "flow/settings.h"
#include "sql/output.h"
#include "weir/table_reader.h"

namespace weir::flow {

namespace {

/// Whether the property is a map of ReferenceTables.
bool holds_tables(const abi::Property& property) {
  if (view(property.name) != "tables" || property.kind != abi::Kind::map || property.element != abi::Kind::object)
    return false;
  const auto has = [&](std::string_view name) {
    return std::any_of(property.fields, property.fields + property.field_count,
                       [&](const auto& field) { return view(field.name) == name; });
  };
  return has("format") && has("path") && has("database") && has("refresh");
}

std::string scheme_of(const std::string& database) {
  const auto end = database.find(':');
  const bool url = end != std::string::npos && end > 1 && database.find('/') > end;
  return url ? database.substr(0, end) : "file";
}

/// Calls the plugin, and throws what its answer means.
void read(const abi::TableReader& reader, const ReferenceTable& table, const std::string& name, bool columns_only,
          abi::TableRows& rows) {
  abi::TableRequest request{};
  request.database = weir::to_text(table.database);
  request.password = weir::to_text(table.password);
  request.query = weir::to_text(table.query);
  if (table.query.empty()) request.table = weir::to_text(table.table.empty() ? name : table.table);
  request.timeout = table.timeout.count();
  request.columns_only = columns_only;
  if (table.tls) {
    request.tls = true;
    request.tls_verify = table.tls->verify;
    request.tls_ca = weir::to_text(table.tls->ca);
    request.tls_cert = weir::to_text(table.tls->cert);
    request.tls_key = weir::to_text(table.tls->key);
  }
  detail::Message message;
  const auto status = reader.read(&request, &rows, &message);
  detail::raise(status, fmt::format("reference table '{}', {}", name, message.text()));
}

const Node& place_of(const Node& body, const std::string& table) {
  const auto* tables = body.find("tables");
  const auto* one = tables == nullptr ? nullptr : tables->find(table);
  const auto* database = one == nullptr ? nullptr : one->find("database");
  return database != nullptr ? *database : one != nullptr ? *one : body;
}

}  // namespace

std::vector<std::pair<std::string, ReferenceTable>> reference_tables(const abi::Spec& spec,
                                                                     const boost::property_tree::ptree& settings) {
  std::vector<std::pair<std::string, ReferenceTable>> tables;
  const auto found = settings.find("tables");
  if (found == settings.not_found() ||
      std::none_of(spec.properties, spec.properties + spec.property_count, holds_tables))
    return tables;
  for (const auto& [name, tree] : found->second) {
    const SettingsNode node(tree);
    ReferenceTable::fields().bind(tables.emplace_back(name, ReferenceTable{}).second, node);
  }
  return tables;
}

std::vector<sql::TableSource> table_sources(const abi::Spec& spec, const boost::property_tree::ptree& settings) {
  std::vector<sql::TableSource> sources;
  for (const auto& [name, table] : reference_tables(spec, settings))
    sources.push_back({name, table.of_database() ? "database" : table.format, table.path, table.table, table.columns});
  return sources;
}

std::vector<sql::DatabaseTableOptions> database_tables(const abi::Spec& spec,
                                                       const boost::property_tree::ptree& settings,
                                                       plugin::Registry& registry, const Reporter& report,
                                                       const Node& body) {
  std::vector<sql::DatabaseTableOptions> options;
  for (const auto& [name, table] : reference_tables(spec, settings)) {
    if (!table.of_database()) continue;
    const auto scheme = scheme_of(table.database);
    const auto* reader = registry.table_reader(scheme);
    if (reader == nullptr) {
      std::string known;
      for (const auto& other : registry.schemes()) {
        if (other != "file") known += (known.empty() ? "" : ", ") + other + "://";
      }
      report.error(place_of(body, name),
                   scheme == "file" ? std::string("no plugin reads tables of SQLite files")
                                    : fmt::format("no plugin reads tables of {}://", scheme),
                   known.empty() ? "a plugin that does: none was found (--plugins DIR)" : known);
      continue;
    }
    sql::DatabaseTableOptions one;
    one.snapshot.table = name;
    one.snapshot.columns = table.columns;
    one.snapshot.max_rows = table.max_rows;
    one.snapshot.max_bytes = table.max_bytes;
    one.refresh = table.refresh;
    one.max_age = table.max_age;
    one.read = [reader, of = table, as = name](bool columns_only, abi::TableRows& rows) {
      read(*reader, of, as, columns_only, rows);
    };
    options.push_back(std::move(one));
  }
  return options;
}

std::string problem_with_columns(const Processor& processor, const std::string& table,
                                 const std::vector<std::string>& columns) {
  const auto& spec = *processor.type->spec();
  sql::CheckOptions options;
  const auto per = processor.settings.find("per");
  options.per_flowfile = per != processor.settings.not_found() && per->second.data() == "flowfile";
  options.tables = table_sources(spec, processor.settings);
  for (auto& source : options.tables) {
    if (source.name == table) source.columns = columns;
  }
  for (std::uint32_t i = 0; i < spec.property_count; ++i) {
    const auto& property = spec.properties[i];
    const auto statement = processor.settings.find(std::string(view(property.name)));
    if (property.kind != abi::Kind::select || statement == processor.settings.not_found()) continue;
    const auto& text = statement->second.data();
    const auto result = sql::check(abi::Kind::select, text, processor.input_record.get(), options);
    if (!result.ok())
      return fmt::format("'{}': {} (at character {})", view(property.name), result.error, result.offset + 1);
  }
  return {};
}

sql::DatabaseTableOptions with_rows(sql::DatabaseTableOptions table, std::vector<std::string> rows) {
  auto columns = table.snapshot.columns;
  for (const auto& row : rows) {
    for (const auto& member : sql::members_of(row)) {
      if (std::find(columns.begin(), columns.end(), member.name) == columns.end()) columns.push_back(member.name);
    }
  }
  table.refresh = table.max_age = {};
  table.read = [columns = std::move(columns), rows = std::move(rows)](bool, abi::TableRows& to) {
    std::vector<abi::Text> names;
    for (const auto& column : columns) names.push_back(weir::to_text(column));
    if (!to.columns(names.data(), static_cast<std::uint32_t>(names.size()))) return;
    for (const auto& row : rows) {
      if (!to.row(weir::to_text(row))) return;
    }
  };
  return table;
}

}  // namespace weir::flow
