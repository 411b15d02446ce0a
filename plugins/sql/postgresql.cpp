#include "postgresql.h"

#include <poll.h>

#include <algorithm>

#include "libpq.h"

namespace weir::db {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kConnectWithin = std::chrono::seconds(10);
/// The system's authorities on Debian; libpq 15 does not look for them by itself.
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::string quoted(std::string_view name) {
  std::string result = "\"";
  for (const char c : name) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

/// So that advice can follow it. What is said on several lines is told on one by Weir.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

/// The SQLSTATE in a verbose message of the server: "FATAL:  28P01: password …"; empty: it is libpq's own.
std::string state_in(const std::string& message) {
  const auto at = message.rfind(":  ");
  if (at == std::string::npos || message.size() < at + 9 || message[at + 8] != ':') return {};
  return message.substr(at + 3, 5);
}

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

void Postgresql::Clear::operator()(pg_result* result) const {
  libpq().clear(result);
}

Postgresql::Postgresql(Address address, Login login) : address_(std::move(address)), login_(std::move(login)) {
  char* problem = nullptr;
  auto* options = libpq().conninfoParse(address_.url.c_str(), &problem);
  if (options == nullptr) {
    const std::string why = problem == nullptr ? "out of memory" : trimmed(problem);
    libpq().freemem(problem);
    throw Misconfigured("database: the URL cannot be read: " + why);
  }
  libpq().conninfoFree(options);
  connect();
}

Postgresql::~Postgresql() {
  drop();
}

void Postgresql::drop() noexcept {
  if (handle_ == nullptr) return;
  libpq().finish(handle_);
  handle_ = nullptr;
  note_dropped();
}

void Postgresql::lost(const std::string& why) {
  const auto message = address_.display + ": " + why;
  drop();
  throw Unavailable(message);
}

void Postgresql::wait(bool to_write, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd socket{libpq().socket(handle_), static_cast<short>(to_write ? POLLOUT : POLLIN), 0};
  const int ready = left <= 0 ? 0 : ::poll(&socket, 1, static_cast<int>(left) + 1);
  if (ready == 0) lost("the server does not answer in time (`timeout`)");
}

void Postgresql::connect() {
  drop();
  std::vector<const char*> names = {"dbname"};
  std::vector<const char*> values = {address_.url.c_str()};
  const auto set = [&](const char* name, const char* value) {
    names.push_back(name);
    values.push_back(value);
  };
  const auto timeout = std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(login_.timeout).count());
  set("client_encoding", "UTF8");
  set("fallback_application_name", "weir");
  set("tcp_user_timeout", timeout.c_str());
  set("keepalives_idle", "15");
  set("keepalives_interval", "5");
  set("keepalives_count", "3");
  if (!login_.password.empty()) set("password", login_.password.c_str());
  if (login_.tls) {
    set("sslmode", login_.tls->verify ? "verify-full" : "require");
    set("sslrootcert", !login_.tls->ca.empty() ? login_.tls->ca.c_str() : login_.tls->verify ? kSystemAuthorities : "");
    if (!login_.tls->cert.empty()) set("sslcert", login_.tls->cert.c_str());
    if (!login_.tls->key.empty()) set("sslkey", login_.tls->key.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  const auto deadline = Clock::now() + std::min<Clock::duration>(kConnectWithin, login_.timeout);
  handle_ = libpq().connectStartParams(names.data(), values.data(), 1);
  if (handle_ == nullptr) throw Unavailable(address_.display + ": out of memory");
  libpq().setErrorVerbosity(handle_, PQERRORS_VERBOSE);  // only so does a refusal say its SQLSTATE
  libpq().setNoticeProcessor(handle_, [](void*, const char*) {}, nullptr);
  auto phase = libpq().status(handle_) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (phase == PGRES_POLLING_READING || phase == PGRES_POLLING_WRITING) {
    wait(phase == PGRES_POLLING_WRITING, deadline);
    phase = libpq().connectPoll(handle_);
  }
  if (phase != PGRES_POLLING_OK) {
    const std::string message = libpq().errorMessage(handle_);
    drop();
    fail_to_connect(message);
  }
  libpq().setErrorVerbosity(handle_, PQERRORS_DEFAULT);
  note_connected();
  // A session that this one lost sight of ends by itself, and with it what it holds locked: where the network was cut,
  // the server does not hear that it is over, and this one would wait for the row of its own progress.
  execute("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2");
  if (libpq().serverVersion(handle_) >= 120'000) execute("SET tcp_user_timeout = '20s'");
  execute(
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; "
      "SET standard_conforming_strings = on; SET extra_float_digits = 1; SET idle_in_transaction_session_timeout = '" +
      std::string(login_.read_only ? "10min" : "1min") + "'; SET lock_timeout = " + timeout +
      // A query that is read as fast as the flow takes it may go on for hours.
      (login_.read_only ? "; SET statement_timeout = 0; SET default_transaction_read_only = on"
                        : "; SET statement_timeout = " + timeout));
}

void Postgresql::fail_to_connect(const std::string& message) const {
  const auto said = message.substr(0, message.find("\nLOCATION:"));
  const auto state = state_in(said);
  auto what = trimmed(said);
  if (!state.empty()) what.erase(what.rfind(":  ") + 2, 8);
  const auto say = [&](const char* advice) { return address_.display + ": " + what + advice; };
  if (state.starts_with("28")) throw Misconfigured(say(". Check the user in `database`, `password`, and pg_hba.conf"));
  if (state == "3D000") throw Misconfigured(say(". Create it, or name another in `database`"));
  if (state == "42501") throw Misconfigured(say(". Allow the user to connect"));
  if (state.empty() && (has(what, "certificate") || has(what, "SSL, but SSL was required") || has(what, "private key")))
    throw Misconfigured(say(". Check `tls`"));
  if (state.empty() && (has(what, "no password supplied") || has(what, "invalid")))
    throw Misconfigured(say(". Check `database` and `password`"));
  throw Unavailable(say(""));
}

void Postgresql::sent(int ok) {
  if (ok != 1) lost(trimmed(libpq().errorMessage(handle_)));
}

Postgresql::Result Postgresql::next() {
  const auto deadline = Clock::now() + login_.timeout + std::chrono::seconds(5);  // the server's own bound comes first
  while (libpq().isBusy(handle_) != 0) {
    wait(false, deadline);
    if (libpq().consumeInput(handle_) != 1) lost(trimmed(libpq().errorMessage(handle_)));
  }
  return Result(libpq().getResult(handle_));
}

void Postgresql::fail(const pg_result* result) {
  const auto field = [&](int code) {
    const char* text = libpq().resultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  const auto state = field(PG_DIAG_SQLSTATE);
  auto what = field(PG_DIAG_MESSAGE_PRIMARY);
  if (what.empty()) what = trimmed(libpq().resultErrorMessage(result));
  if (const auto detail = field(PG_DIAG_MESSAGE_DETAIL); !detail.empty()) what += ": " + detail;
  const auto is = [&](const char* beginning) { return state.starts_with(beginning); };
  if (is("22") || is("23") || is("44") || is("54") || state == "P0001") throw RowError(what);
  const auto say = [&](const char* advice) { return address_.display + ": " + what + advice; };
  if (state == "40001" || state == "40P01") throw TakenBack(say("; it is tried again"));
  if (state.empty() || is("08") || is("57P")) lost(what);
  if (is("53") || is("55") || is("57") || state == "25006" || state == "25P03" || is("58"))
    throw Unavailable(say("; it is tried again"));
  if (state == "42501") throw Misconfigured(say(". Grant the user what it needs"));
  throw Misconfigured(say(" (SQLSTATE ") + state + ")");
}

Postgresql::Result Postgresql::finish() {
  Result last;
  Result error;
  while (auto result = next()) {
    const auto status = libpq().resultStatus(result.get());
    if (status == PGRES_FATAL_ERROR && !error) {
      error = std::move(result);
    } else {
      last = std::move(result);
    }
    if (libpq().status(handle_) == CONNECTION_BAD) break;
  }
  if (!error) return last;
  if (libpq().status(handle_) != CONNECTION_BAD) fail(error.get());
  lost(trimmed(libpq().resultErrorMessage(error.get())));
}

void Postgresql::execute(const std::string& sql) {
  need_connection();
  sent(libpq().sendQuery(handle_, sql.c_str()));
  finish();
}

std::vector<Texts> Postgresql::query(const std::string& sql, const std::vector<std::string>& parameters) {
  need_connection();
  std::string text;
  int number = 0;
  for (const char c : sql) {  // its author is Weir, who writes no ? elsewhere
    if (c == '?') {
      text += "$" + std::to_string(++number);
    } else {
      text += c;
    }
  }
  std::vector<const char*> values;
  for (const auto& parameter : parameters) values.push_back(parameter.c_str());
  sent(libpq().sendQueryParams(handle_, text.c_str(), number, nullptr, values.data(), nullptr, nullptr, 0));
  const auto result = finish();
  std::vector<Texts> rows;
  for (int r = 0; r < libpq().ntuples(result.get()); ++r) {
    auto& row = rows.emplace_back();
    for (int c = 0; c < libpq().nfields(result.get()); ++c) {
      auto& value = row.emplace_back();
      if (libpq().getisnull(result.get(), r, c) == 0)
        value.emplace(libpq().getvalue(result.get(), r, c), libpq().getlength(result.get(), r, c));
    }
  }
  return rows;
}

void Postgresql::begin_transaction() {
  // Deferred constraints would fail the commit, and name no row.
  execute("BEGIN; SET CONSTRAINTS ALL IMMEDIATE");
}

void Postgresql::end_transaction() {
  sent(libpq().sendQuery(handle_, "COMMIT"));
  try {
    const auto result = finish();
    if (std::string_view(libpq().cmdStatus(result.get())) == "COMMIT") return;
  } catch (const RowError& error) {
    throw Misconfigured(address_.display + ": a constraint fails when the transaction is committed: " + error.what());
  }
  throw Unavailable(address_.display + ": the server rolled the transaction back; it is written again");
}

std::string Postgresql::table_name(const std::string& table) const {
  const auto dot = table.find('.');
  if (dot == std::string::npos) return quoted(table);
  return quoted(table.substr(0, dot)) + "." + quoted(table.substr(dot + 1));
}

std::optional<std::vector<Column>> Postgresql::describe(const std::string& table) {
  const auto rows = query(
      "SELECT a.attname, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) "
      "ELSE format_type(a.atttypid, a.atttypmod) END, a.attnotnull, "
      "COALESCE(a.attnum = ANY (i.indkey), false), a.attgenerated = '' AND a.attidentity <> 'a' "
      "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary "
      "WHERE a.attrelid = to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
      {table_name(table)});
  if (rows.empty()) return std::nullopt;
  std::vector<Column> columns;
  for (const auto& row : rows) {
    if (row[4] == "t") columns.push_back({*row[0], *row[1], row[2] == "t", row[3] == "t"});
  }
  return columns;
}

void Postgresql::create(const std::string& table, const std::vector<NewColumn>& columns,
                        const std::vector<std::string>& key) {
  const auto type = [](Content content) {
    switch (content) {
      case Content::integer:
        return "bigint";
      case Content::boolean:
        return "boolean";
      case Content::number:
        return "double precision";
      case Content::time:
        return "timestamptz";
      case Content::json:
        return "jsonb";
      case Content::text:
      case Content::any:
        break;
    }
    return "text";
  };
  std::string sql;
  for (const auto& column : columns)
    sql += (sql.empty() ? "" : ", ") + quoted(column.name) + " " + type(column.content) +
           (column.not_null ? " NOT NULL" : "");
  std::string keys;
  for (const auto& name : key) keys += (keys.empty() ? "" : ", ") + quoted(name);
  if (!key.empty()) sql += ", PRIMARY KEY (" + keys + ")";
  try {
    execute("CREATE TABLE " + table_name(table) + " (" + sql + ")");
  } catch (const std::exception&) {
    if (connected() && describe(table)) return;  // another made it at the same moment
    throw;
  }
}

ServerType postgresql_type(const std::string& type) {
  const auto is = [&](const char* beginning) { return type.starts_with(beginning); };
  if (type.ends_with("[]")) return {};
  if (type == "bigint") return {.category = Category::integer};
  if (type == "integer") return {.category = Category::integer, .bits = 32};
  if (type == "smallint") return {.category = Category::integer, .bits = 16};
  if (type == "boolean") return {.category = Category::boolean};
  if (type == "double precision" || type == "real") return {.category = Category::real};
  if (is("numeric")) return {.category = Category::decimal};
  if (type == "text" || is("character")) return {.category = Category::text};
  if (is("timestamp")) return {.category = Category::time, .zone = type.ends_with("with time zone")};
  if (type == "date") return {.category = Category::date};
  if (type == "json" || type == "jsonb") return {.category = Category::json};
  if (type == "bytea") return {.category = Category::bytes};
  return {};
}

}  // namespace weir::db
