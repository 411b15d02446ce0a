#include "sql/eval.h"

#include <algorithm>
#include <istream>
#include <iterator>
#include <memory>
#include <ostream>

#include "sql/engine.h"
#include "sql/expression.h"
#include "sql/input_session.h"
#include "sql/value.h"

namespace weir::sql {

namespace {

class Printer final : public abi::Rows {
 public:
  Printer(std::string_view content, std::ostream& out, std::ostream& errors)
      : content_(content), out_(out), errors_(errors) {}
  bool row(const abi::Row& row) override {
    if (row.error.size != 0) {
      failed_ = true;
      errors_ << place(row) << view(row.error) << '\n';
      return true;
    }
    std::string line;
    if (row.output.size != 0) {
      line = view(row.output);
    } else {
      append_json(line, row.values[0], false);
    }
    // A record that spanned lines becomes one line; inside strings JSON has no line breaks.
    std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    out_ << line << '\n';
    return static_cast<bool>(out_);
  }
  bool failed() const { return failed_; }

 private:
  std::string place(const abi::Row& row) {
    const auto json = view(row.json);
    if (json.data() < content_.data() || json.data() > content_.data() + content_.size()) return {};
    const auto offset = static_cast<std::size_t>(json.data() - content_.data());
    if (offset < counted_) counted_ = 0, line_ = 1;
    line_ += static_cast<std::size_t>(std::count(content_.data() + counted_, content_.data() + offset, '\n'));
    counted_ = offset;
    return "line " + std::to_string(line_) + ": ";
  }

  std::string_view content_;
  std::ostream& out_;
  std::ostream& errors_;
  std::size_t counted_ = 0;
  std::size_t line_ = 1;
  bool failed_ = false;
};

struct Kept final : abi::Report {
  std::string text;
  void message(abi::Text message) override { text = view(message); }
};

}  // namespace

int eval(std::string_view sql, std::istream& in, std::ostream& out, std::ostream& errors, const EvalOptions& options) {
  const auto tokens = tokenize(sql);
  const bool select = tokens[0].keyword("SELECT") || tokens[0].keyword("WITH");
  const auto checked = check(select ? abi::Kind::select : abi::Kind::expression, sql, nullptr,
                             {options.per_flowfile, false, options.tables});
  if (!checked.ok()) {
    // The SQL with a mark under the place; line breaks would move the mark.
    std::string shown(sql);
    std::replace_if(shown.begin(), shown.end(), [](char c) { return c == '\n' || c == '\t' || c == '\r'; }, ' ');
    errors << checked.error << '\n' << "  " << shown << '\n' << "  " << std::string(checked.offset, ' ') << "^\n";
    if (!checked.nearest.empty()) errors << "did you mean " << checked.nearest.front() << "?\n";
    return 2;
  }
  std::string content{std::istreambuf_iterator<char>(in), {}};
  InputSession session(content, options.attributes, options.now);
  std::vector<abi::Table> tables;
  for (const auto& t : options.tables)
    tables.push_back({to_text(t.name), to_text(t.format), to_text(t.path), to_text(t.table)});
  const abi::Column column{to_text(sql), false, abi::Encoding::none, abi::As::any};
  abi::Query query{};
  if (select) {
    query.select = to_text(sql);
  } else {
    query.columns = &column;
    query.column_count = 1;
  }
  query.per_flowfile = options.per_flowfile && select;
  query.tables = tables.data();
  query.table_count = static_cast<std::uint32_t>(tables.size());
  Kept report;
  abi::Statement* raw = nullptr;
  const auto engine = make_sql(nullptr, [&options] { return options.now; });
  if (engine->prepare(&query, &raw, &report) != abi::Status::ok) {
    errors << report.text << '\n';
    return 2;
  }
  const std::unique_ptr<abi::Statement, void (*)(abi::Statement*)> statement(raw,
                                                                             [](abi::Statement* s) { s->release(); });
  Printer printer(session.text(), out, errors);
  if (statement->run(&session, 0, 1, &printer, &report) != abi::Status::ok) {
    errors << report.text << '\n';
    return 1;
  }
  out.flush();
  return printer.failed() || !out ? 1 : 0;
}

}  // namespace weir::sql
