#include "sql/check.h"

#include <algorithm>
#include <exception>

#include "sql/rewrite.h"
#include "sql/sqlite_query.h"
#include "sql/template.h"

namespace weir::sql {

namespace {

/// Slots of fields that nobody reads.
class NoSlots final : public Slots {
 public:
  std::uint32_t slot(const std::string& field) override {
    const auto found = std::find(names_.begin(), names_.end(), field);
    if (found != names_.end()) return static_cast<std::uint32_t>(found - names_.begin());
    names_.push_back(field);
    return static_cast<std::uint32_t>(names_.size() - 1);
  }
  void needs_value(std::uint32_t /*slot*/) override {}

 private:
  std::vector<std::string> names_;
};

/// The word in single quotes behind `marker` in SQLite's or our message; empty if there is none.
std::string named_in(const std::string& message, std::string_view marker, char end) {
  const auto at = message.find(marker);
  if (at == std::string::npos) return {};
  const auto from = at + marker.size();
  return message.substr(from, std::min(message.find(end, from), message.size()) - from);
}

/// A pattern that RE2 refuses would fail every record: better to know before.
void check_patterns(const std::vector<SqlToken>& tokens) {
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const SqlToken* pattern = nullptr;
    if (tokens[i].keyword("REGEXP")) pattern = &tokens[i + 1];
    if ((tokens[i].keyword("regexp_extract") || tokens[i].keyword("regexp_replace")) && i + 4 < tokens.size() &&
        tokens[i + 3].is(",")) {
      pattern = &tokens[i + 4];
    }
    if (pattern == nullptr || pattern->kind != TokenKind::string) continue;
    const auto problem = pattern_problem(pattern->text);
    if (!problem.empty()) throw SqlProblem{"the regular expression is wrong: " + problem, pattern->offset};
  }
}

std::shared_ptr<const Declaration> output_of(const SqliteQuery& query, const Declaration* record) {
  auto output = std::make_shared<Declaration>();
  bool whole = false;
  const auto put = [&](Field field) {
    for (auto& known : output->fields) {
      if (known.name == field.name) return void(known = std::move(field));
    }
    output->fields.push_back(std::move(field));
  };
  bool unknown = false;
  for (const auto& result : query.results()) {
    unknown = unknown || result.unknown;
    if (result.whole) {
      whole = true;
      if (record != nullptr) {
        for (const auto& field : record->fields) put(field);
      }
      continue;
    }
    Field field;
    if (result.declared != nullptr) field = *result.declared;
    field.name = result.name;
    field.required = result.declared != nullptr && result.declared->required;
    if (result.boolean && result.declared == nullptr) field.type = FieldType::boolean;
    put(std::move(field));
  }
  // `*` of an undeclared record, or of a table that is not read here, may bring anything: then nothing is known.
  if (unknown || (whole && record == nullptr)) return nullptr;
  output->extra_allowed = whole && record->extra_allowed;
  output->name = record != nullptr ? record->name + " (selected)" : "selected";
  return output;
}

class Check {
 public:
  Check(const Declaration* record, const CheckOptions& options) : record_(record), options_(options) {}

  CheckResult run(abi::Kind kind, std::string_view text) {
    if (kind == abi::Kind::templated) {
      parts(text);
    } else {
      one(text, kind == abi::Kind::select ? QueryShape::select : QueryShape::expression, 0);
    }
    return std::move(result_);
  }

 private:
  void parts(std::string_view text) {
    try {
      for (const auto& part : parse_template(text)) {
        if (part.is_sql && result_.ok()) one(part.text, QueryShape::expression, part.offset);
      }
    } catch (const SqlProblem& problem) {
      result_.error = problem.message;
      result_.offset = problem.offset;
    }
  }

  void one(std::string_view sql, QueryShape shape, std::size_t offset) {
    QueryOptions options;
    options.record = record_;
    options.shape = shape;
    options.per_flowfile = options_.per_flowfile;
    options.generator = options_.generator;
    if (shape == QueryShape::select) options.tables = options_.tables;
    try {
      check_patterns(tokenize(sql));
      NoSlots slots;
      const SqliteQuery query(sql, options, slots);
      for (const auto& field : query.fields()) {
        if (std::find(result_.fields.begin(), result_.fields.end(), field) == result_.fields.end()) {
          result_.fields.push_back(field);
        }
      }
      if (shape == QueryShape::select) result_.output = output_of(query, record_);
    } catch (const SqlProblem& problem) {
      result_.error = problem.message;
      result_.offset = offset + problem.offset;
      suggest();
    } catch (const std::exception& error) {
      result_.error = error.what();
      result_.offset = offset;
    }
  }

  void suggest() {
    if (const auto field = named_in(result_.error, "no field '", '\''); !field.empty() && record_ != nullptr) {
      std::vector<std::string> names;
      for (const auto& known : record_->fields) names.push_back(known.name);
      result_.nearest = nearest_names(field, names);
    } else if (const auto quoted = named_in(result_.error, "\"", '"'); !quoted.empty() && record_ != nullptr) {
      std::vector<std::string> names;
      for (const auto& known : record_->fields) names.push_back(known.name);
      result_.nearest = nearest_names(quoted, names);
    } else if (const auto function = named_in(result_.error, "no such function: ", ' '); !function.empty()) {
      sqlite3* db = nullptr;
      sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, nullptr);
      register_functions(db, nullptr);
      result_.nearest = nearest_names(function, function_names(db));
      sqlite3_close(db);
    } else if (const auto table = named_in(result_.error, "no such table: ", ' '); !table.empty()) {
      std::vector<std::string> names = {options_.generator ? "seq" : "record"};
      for (const auto& known : options_.tables) names.push_back(known.name);
      result_.nearest = nearest_names(table, names);
    }
  }

  const Declaration* record_;
  const CheckOptions& options_;
  CheckResult result_;
};

/// Edits from one word to the other, case counting half: Levenshtein's distance, doubled.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = 2 * j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = 2 * (i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = a[i] == b[j] ? 0 : equal_ignoring_case(a.substr(i, 1), b.substr(j, 1)) ? 1 : 2;
      const auto next = std::min({row[j + 1] + 2, row[j] + 2, diagonal + change});
      diagonal = row[j + 1];
      row[j + 1] = next;
    }
  }
  return row[b.size()];
}

}  // namespace

CheckResult check(abi::Kind kind, std::string_view text, const Declaration* record, const CheckOptions& options) {
  return Check(record, options).run(kind, text);
}

std::string literal(std::string_view value) {
  std::int64_t integer = 0;
  double real = 0;
  const auto number = parse_number(value, integer, real);
  if (number == Number::integer || number == Number::real || value == "true" || value == "false") {
    return std::string(value);
  }
  return quoted_text(value);
}

std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names) {
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const auto& candidate : names) {
    const auto edits = distance(name, candidate);
    const auto longest = std::max(name.size(), candidate.size());
    if (edits < longest && edits <= std::max<std::size_t>(2, 2 * longest / 3)) found.emplace_back(edits, candidate);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> result;
  for (const auto& [edits, candidate] : found) {
    if (result.size() < 3) result.push_back(candidate);
  }
  return result;
}

}  // namespace weir::sql
