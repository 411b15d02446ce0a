#include "write_csv.h"

#include <charconv>

#include "read_csv.h"
#include "weir/json.h"
#include "weir/record.h"
#include "weir/split.h"

namespace weir::csv {

namespace {

enum : std::uint32_t { kSuccess };
constexpr std::size_t kPiece = 256 * KiB;

/// The name of the field that a column is, e.g. `sensor_id` or field('limit'); an expression is its own name.
std::string column_name(const std::string& expression) {
  constexpr std::string_view kField = "field('";
  if (!expression.starts_with(kField) || !expression.ends_with("')")) return expression;
  const auto name = expression.substr(kField.size(), expression.size() - kField.size() - 2);
  return name.find('\'') == std::string::npos ? name : expression;
}

/// How SQL names the field.
std::string field_expression(const std::string& name) {
  std::string quoted = "field('";
  for (const char c : name) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "')";
}

}  // namespace

const Spec<WriteCsvSettings>& write_csv_spec() {
  static const auto spec =
      Spec<WriteCsvSettings>("WriteCsv", "Makes CSV of records.")
          .description(
              "Each FlowFile of records becomes one of rows, with the header once at its beginning; an empty array "
              "becomes a header alone. `MergeRecords` before it makes fewer and larger files. What is written is RFC "
              "4180, UTF-8.\n\n"
              "**Columns** are the property's, or all fields of the record that the flow declares for the input, in "
              "their order. Fields that are no columns are left out. A field's number keeps its digits and a time the "
              "form it has; objects and arrays are written as JSON.\n\n"
              "**Quotes** stand around what needs them: cells with delimiters, quotes or line ends in them, and text "
              "that would else be taken for null (an empty text is `\"\"`, null is nothing). A lone null of a file "
              "with "
              "one column is written as `\"\"` too, as an empty line is no row. `quoting: text` puts quotes around all "
              "text, so that readers that guess types see that \"007\" is no number; `all` around all but null.\n\n"
              "Records that cannot be read go to `failure`; the rest proceed.")
          .example("type: WriteCsv\ncolumns: [sensor_id, timestamp, temperature]\n")
          .property("columns", &WriteCsvSettings::columns,
                    {.help = "Fields, or SQL expressions, which are called as they are written (a `Select` before can "
                             "name them). Unset: the declared fields.",
                     .example = "[id, name, city]",
                     .kind = Kind::field})
          .property("delimiter", &WriteCsvSettings::delimiter,
                    {.help = "The character between cells.", .example = "\"\\t\""})
          .property("quote", &WriteCsvSettings::quote, {.help = "The character around cells that need it."})
          .property("quoting", &WriteCsvSettings::quoting,
                    {.help = "Which cells have quotes: those that need them, all text, or all.",
                     .choices = {"minimal", "text", "all"}})
          .property("header", &WriteCsvSettings::header,
                    {.help = "The first row holds the columns' names. Without, "
                             "`FileSink` can write them from the attribute, where a file is made of many FlowFiles."})
          .property("null", &WriteCsvSettings::null,
                    {.help = "What is written for null, and for a field that is missing.", .example = "NA"})
          .property("line_end", &WriteCsvSettings::line_end,
                    {.help = "`lf`, or `crlf` as RFC 4180 has it.", .choices = {"lf", "crlf"}})
          .relationship({"success", "The CSV."})
          .relationship({"failure", "Records that cannot be read, with the reason in error.message."})
          .writes("mime.type", "text/csv")
          .writes("csv.header", "With `header: false`: the row with the columns' names.");
  return spec;
}

WriteCsv::WriteCsv(WriteCsvSettings settings)
    : settings_(std::move(settings)),
      delimiter_(special_character("delimiter", settings_.delimiter)),
      quote_(special_character("quote", settings_.quote)) {
  if (delimiter_ == quote_) throw Misconfigured("quote: another character than the delimiter is needed");
  if (settings_.null.find_first_of(std::string{delimiter_, quote_, '\r', '\n'}) != std::string::npos)
    throw Misconfigured("null: it may not hold the delimiter, the quote or a line's end");
}

void WriteCsv::start(Context& context) {
  Query query(context);
  rows_.clear();
  columns_ = 0;
  const auto add = [&](const std::string& expression, std::string_view name) {
    query.column(expression);
    if (columns_++ > 0) rows_ += delimiter_;
    append_cell(name, true);
  };
  if (settings_.columns.empty()) {
    for (const auto& field : declared_fields(context)) add(field_expression(field.name), field.name);
  } else {
    for (const auto& column : settings_.columns) add(column, column_name(column));
  }
  if (columns_ == 0)
    throw Misconfigured("columns: none are given, and the flow declares no record for the input to take them from");
  rows_ += settings_.line_end == "crlf" ? "\r\n" : "\n";
  header_ = rows_;
  rows_.clear();
  statement_ = query.prepare();
}

void WriteCsv::step(Batch batch, Session& session) {
  for (auto file : batch) {
    if (session.over_budget()) return session.consume_until(file, file.offset());
    write(file, session);
  }
}

void WriteCsv::write(FlowFile file, Session& session) {
  std::optional<FlowFile> csv;
  std::uint32_t count = 0;
  std::vector<std::pair<std::string, std::vector<std::string>>> rejected;  // by message
  Form form = Form::object;
  std::uint32_t seen = 0;
  rows_.clear();
  statement_.run(session, file, [&](const Row& row) {
    form = row.form;
    ++seen;
    if (row.error.size > 0) {
      const auto message = view(row.error);
      auto at = rejected.begin();
      while (at != rejected.end() && at->first != message) ++at;
      if (at == rejected.end() && rejected.size() < RecordSplit::kMostMessages)
        at = rejected.insert(at, {std::string(message), {}});
      if (at == rejected.end()) --at;
      at->second.emplace_back(view(row.json));
      return;
    }
    if (!csv) csv = begin(file, session);
    append_row(row);
    ++count;
    if (rows_.size() >= kPiece) session.append(*csv, rows_), rows_.clear();
  });
  if (!csv && rejected.size() == 1) return session.reject(file, rejected[0].first);
  for (const auto& [message, records] : rejected) {
    RecordWriter writer(session, session.create(file), form);
    for (const auto& record : records) writer.write(record);
    writer.finish();
    session.reject(writer.file(), message);
  }
  if (!csv && seen > 0) return;
  if (!csv) csv = begin(file, session);
  session.append(*csv, rows_);
  session.records(*csv, count);
  session.transfer(*csv, kSuccess);
}

FlowFile WriteCsv::begin(FlowFile input, Session& session) {
  const auto csv = session.create(input);
  session.set(csv, "mime.type", "text/csv");
  if (settings_.header) {
    session.append(csv, header_);
  } else {
    session.set(csv, "csv.header", header_);
  }
  return csv;
}

void WriteCsv::append_row(const Row& row) {
  for (std::size_t i = 0; i < columns_; ++i) {
    if (i > 0) rows_ += delimiter_;
    const auto& value = row.values[i];
    auto text = view(value.raw);
    if (value.type == ValueType::null) {
      rows_ += columns_ == 1 && settings_.null.empty() ? std::string(2, quote_) : settings_.null;
    } else if (text.starts_with('"')) {  // not value.text: of a declared time that is another
      text = text.substr(1, text.size() - 2);
      if (text.find('\\') != std::string_view::npos) text = decoded_ = decode_json_string(text);
      append_cell(text, true);
    } else if (!text.empty()) {
      append_cell(text, false);
    } else if (value.type == ValueType::text || value.type == ValueType::json) {
      append_cell(view(value.text), value.type == ValueType::text);
    } else {
      char digits[40];
      const auto* end = value.type == ValueType::integer
                            ? std::to_chars(digits, digits + sizeof digits, value.integer).ptr
                            : std::to_chars(digits, digits + sizeof digits, value.real).ptr;
      append_cell({digits, static_cast<std::size_t>(end - digits)}, false);
    }
  }
  rows_ += settings_.line_end == "crlf" ? "\r\n" : "\n";
}

void WriteCsv::append_cell(std::string_view text, bool is_text) {
  bool quoted = settings_.quoting == "all" || (settings_.quoting == "text" && is_text) || text == settings_.null;
  for (const char c : text) quoted = quoted || c == delimiter_ || c == quote_ || c == '\n' || c == '\r';
  if (!quoted) {
    rows_ += text;
    return;
  }
  rows_ += quote_;
  for (const char c : text) {
    if (c == quote_) rows_ += quote_;
    rows_ += c;
  }
  rows_ += quote_;
}

}  // namespace weir::csv
