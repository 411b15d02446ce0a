#include "sql/functions.h"

#include <re2/re2.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>

#include "sql/time_format.h"

namespace weir::sql {

namespace {

std::string_view text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return {text == nullptr ? "" : text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool any_null(int count, sqlite3_value** values) {
  for (int i = 0; i < count; ++i) {
    if (sqlite3_value_type(values[i]) == SQLITE_NULL) return true;
  }
  return false;
}

void fail(sqlite3_context* context, const std::string& message) {
  sqlite3_result_error(context, message.data(), static_cast<int>(message.size()));
}

void give_text(sqlite3_context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void give_time(sqlite3_context* context, std::int64_t nanoseconds) {
  char buffer[kIsoLength];
  format_iso(nanoseconds, buffer);
  give_text(context, {buffer, sizeof buffer});
}

const Surroundings* surroundings_of(sqlite3_context* context) {
  return *static_cast<const Surroundings* const*>(sqlite3_user_data(context));
}

void attribute(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  const auto* surroundings = surroundings_of(context);
  if (surroundings == nullptr || any_null(1, values)) return;
  if (const auto value = surroundings->attribute(text_of(values[0]))) give_text(context, *value);
}

void now(sqlite3_context* context, int /*count*/, sqlite3_value** /*values*/) {
  if (const auto* surroundings = surroundings_of(context)) give_time(context, surroundings->now());
}

/// The time that a value stands for, as undeclared times are read.
bool time_of(sqlite3_context* context, sqlite3_value* value, std::int64_t& nanoseconds) {
  bool known = false;
  switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
      known = unix_time(std::int64_t{sqlite3_value_int64(value)}, nanoseconds);
      break;
    case SQLITE_FLOAT:
      known = unix_time(sqlite3_value_double(value), nanoseconds);
      break;
    default:
      known = parse_rfc3339(text_of(value), nanoseconds);
  }
  if (!known)
    fail(context, "'" + std::string(text_of(value).substr(0, 40)) + "' is neither an RFC 3339 time nor a Unix time");
  return known;
}

void unix_ms(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  std::int64_t ns = 0;
  if (any_null(1, values) || !time_of(context, values[0], ns)) return;
  sqlite3_result_int64(context, ns / 1'000'000 - (ns % 1'000'000 < 0 ? 1 : 0));
}

void iso_time(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  std::int64_t ns = 0;
  if (!any_null(1, values) && time_of(context, values[0], ns)) give_time(context, ns);
}

/// "10m" in nanoseconds; 0 if it is no duration.
std::int64_t duration_of(std::string_view text) {
  std::int64_t count = 0;
  std::size_t i = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && count < 1'000'000'000; ++i)
    count = count * 10 + (text[i] - '0');
  const auto unit = text.substr(i);
  std::int64_t size = 0;
  if (unit == "ms") size = 1'000'000;
  if (unit == "s") size = 1'000'000'000;
  if (unit == "m") size = 60'000'000'000;
  if (unit == "h") size = 3'600'000'000'000;
  if (unit == "d") size = 86'400'000'000'000;
  std::int64_t result = 0;
  return i == 0 || __builtin_mul_overflow(count, size, &result) ? 0 : result;
}

void time_bucket(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  std::int64_t ns = 0;
  if (any_null(2, values)) return;
  const auto period = duration_of(text_of(values[0]));
  if (period <= 0)
    return fail(context,
                "time_bucket: '" + std::string(text_of(values[0])) + "' is no duration such as '10s', '1m' or '1h'");
  if (!time_of(context, values[1], ns)) return;
  auto bucket = ns / period;
  if (ns % period < 0) --bucket;
  give_time(context, bucket * period);
}

RE2::Options pattern_options() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);
  return options;
}

/// The compiled pattern; SQLite keeps it for as long as the argument is the same constant.
const RE2* pattern_of(sqlite3_context* context, sqlite3_value** values, int index, std::unique_ptr<RE2>& owner) {
  if (const auto* kept = static_cast<const RE2*>(sqlite3_get_auxdata(context, index))) return kept;
  const auto text = text_of(values[index]);
  owner = std::make_unique<RE2>(re2::StringPiece(text.data(), text.size()), pattern_options());
  if (!owner->ok()) {
    fail(context, "the regular expression '" + std::string(text) + "' is wrong: " + owner->error());
    return nullptr;
  }
  auto* pattern = owner.release();
  sqlite3_set_auxdata(context, index, pattern, [](void* p) { delete static_cast<RE2*>(p); });
  const auto* kept = static_cast<const RE2*>(sqlite3_get_auxdata(context, index));
  if (kept == nullptr) sqlite3_result_error_nomem(context);  // SQLite has deleted it
  return kept;
}

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

/// SQLite's X REGEXP Y calls regexp(Y, X).
void regexp(sqlite3_context* context, int /*count*/, sqlite3_value** values) {
  if (any_null(2, values)) return;
  std::unique_ptr<RE2> owner;
  if (const auto* pattern = pattern_of(context, values, 0, owner)) {
    sqlite3_result_int(context, RE2::PartialMatch(piece(text_of(values[1])), *pattern) ? 1 : 0);
  }
}

void regexp_extract(sqlite3_context* context, int count, sqlite3_value** values) {
  if (any_null(count, values)) return;
  std::unique_ptr<RE2> owner;
  const auto* pattern = pattern_of(context, values, 1, owner);
  if (pattern == nullptr) return;
  const int group = count > 2 ? sqlite3_value_int(values[2]) : 0;
  if (group < 0 || group > pattern->NumberOfCapturingGroups()) {
    return fail(context, "regexp_extract: the pattern has no group " + std::to_string(group));
  }
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(group) + 1);
  const auto text = piece(text_of(values[0]));
  if (!pattern->Match(text, 0, text.size(), RE2::UNANCHORED, groups.data(), group + 1)) return;
  const auto& found = groups[static_cast<std::size_t>(group)];
  if (found.data() != nullptr) give_text(context, {found.data(), found.size()});
}

void regexp_replace(sqlite3_context* context, int count, sqlite3_value** values) {
  if (any_null(count, values)) return;
  std::unique_ptr<RE2> owner;
  const auto* pattern = pattern_of(context, values, 1, owner);
  if (pattern == nullptr) return;
  std::string problem;
  const auto replacement = piece(text_of(values[2]));
  if (!pattern->CheckRewriteString(replacement, &problem)) return fail(context, "regexp_replace: " + problem);
  std::string text(text_of(values[0]));
  RE2::GlobalReplace(&text, *pattern, replacement);
  give_text(context, text);
}

thread_local std::int64_t thread_clock = 0;

int current_time(sqlite3_vfs* /*vfs*/, sqlite3_int64* milliseconds) {
  constexpr sqlite3_int64 k1970 = 210866760000000;  // in milliseconds since noon of 24 November 4714 BC
  *milliseconds = k1970 + thread_clock / 1'000'000;
  return SQLITE_OK;
}

int current_day(sqlite3_vfs* vfs, double* days) {
  sqlite3_int64 milliseconds = 0;
  current_time(vfs, &milliseconds);
  *days = static_cast<double>(milliseconds) / 86400000.0;
  return SQLITE_OK;
}

}  // namespace

void set_thread_clock(std::int64_t nanoseconds) {
  thread_clock = nanoseconds;
}

const char* clock_vfs() {
  static constexpr const char* kName = "weir-clock";
  static std::once_flag once;
  static sqlite3_vfs vfs;
  std::call_once(once, [] {
    vfs = *sqlite3_vfs_find(nullptr);
    vfs.zName = kName;
    vfs.pNext = nullptr;
    vfs.xCurrentTime = current_day;
    vfs.xCurrentTimeInt64 = current_time;
    sqlite3_vfs_register(&vfs, 0);
  });
  return kName;
}

std::string pattern_problem(std::string_view pattern) {
  const RE2 compiled(piece(pattern), pattern_options());
  return compiled.ok() ? std::string() : compiled.error();
}

void register_functions(sqlite3* db, const Surroundings* const* surroundings) {
  constexpr int kPure = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  constexpr int kBound = SQLITE_UTF8 | SQLITE_INNOCUOUS;
  const auto add = [db](const char* name, int arguments, int flags, auto* function, const void* data) {
    sqlite3_create_function_v2(db, name, arguments, flags, const_cast<void*>(data), function, nullptr, nullptr,
                               nullptr);
  };
  add("attr", 1, kBound, attribute, surroundings);
  add("now", 0, kBound, now, surroundings);
  add("unix_ms", 1, kPure, unix_ms, nullptr);
  add("iso_time", 1, kPure, iso_time, nullptr);
  add("time_bucket", 2, kPure, time_bucket, nullptr);
  add("regexp", 2, kPure, regexp, nullptr);
  add("regexp_extract", 2, kPure, regexp_extract, nullptr);
  add("regexp_extract", 3, kPure, regexp_extract, nullptr);
  add("regexp_replace", 3, kPure, regexp_replace, nullptr);
}

std::vector<std::string> function_names(sqlite3* db) {
  std::vector<std::string> names = {"field", "has"};
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, "SELECT DISTINCT name FROM pragma_function_list", -1, &statement, nullptr);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    names.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
  }
  sqlite3_finalize(statement);
  return names;
}

}  // namespace weir::sql
