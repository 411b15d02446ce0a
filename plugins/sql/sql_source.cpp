#include "sql_source.h"

#include <algorithm>

#include "selection.h"
#include "server_values.h"
#include "weir/json.h"
#include "weir/schedule.h"

namespace weir::db {

namespace {

constexpr std::string_view kMark = "mark ";         ///< state, with a number: the literal of that column
constexpr std::string_view kPass = "pass";          ///< state, of `all`: when the pass under way began
constexpr std::string_view kSessions = "sessions";  ///< state: how many sessions have read on

std::string mark_key(std::size_t number) {
  return std::string(kMark) + std::to_string(number);
}

/// The author's value in SQL: a number as it stands, all else as text.
std::string literal_of(const std::string& value) {
  weir::detail::JsonWalker walker(value);
  const bool number = !value.empty() && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
  if (number && walker.value() && walker.at_end()) return value;
  std::string sql = "'";
  for (const char c : value) {
    if (c == '\'') sql += '\'';
    sql += c;
  }
  return sql + "'";
}

void check_settings(const SqlSourceSettings& settings) {
  if (settings.table.empty() == settings.query.empty())
    throw Misconfigured("say what to read with either `table` or `query`");
  const bool by_column = settings.mode == "incrementing" || settings.mode == "timestamp";
  if (by_column && settings.column.empty())
    throw Misconfigured("mode: " + settings.mode + " needs `column`, whose values grow");
  if (!by_column && !settings.column.empty()) throw Misconfigured("column belongs to mode: incrementing or timestamp");
  if (!by_column && !settings.start_after.empty())
    throw Misconfigured("start_after belongs to mode: incrementing or timestamp");
  if (settings.mode != "timestamp" && settings.delay.count() != 0)
    throw Misconfigured("delay belongs to mode: timestamp");
  if (settings.mode == "incrementing" && !settings.key.empty())
    throw Misconfigured("with mode: incrementing the column is the key; leave `key` out");
  if (!settings.query.empty() && settings.key.empty() && (settings.mode == "timestamp" || settings.mode == "changes"))
    throw Misconfigured("mode: " + settings.mode + " of a query needs `key`, the columns that tell rows apart");
}

}  // namespace

SqlSource::SqlSource(SqlSourceSettings settings)
    : settings_(std::move(settings)),
      address_(parse_address(settings_.database)),
      login_{settings_.password, settings_.tls, settings_.timeout, true},
      chunks_{settings_.emit == "each", settings_.chunk_size, settings_.table} {
  check(address_, login_);
  check_settings(settings_);
}

void SqlSource::start(Context& context) {
  context_ = context;
  scheduled_ = is_scheduled(context);
  rows_metric_ = context.counter("sql_rows", "Rows read.");
  connect();
}

void SqlSource::connect() {
  connection_ = Connection::open(address_, login_);
  selection_.from = settings_.table.empty() ? subquery(settings_.query) : connection_->table_name(settings_.table);
  find_order();
  selection_.limit = selection_.order.empty() || settings_.mode == "changes" ? 0 : settings_.batch;
  selection_.delay = settings_.delay;
  if (connection_->dialect() == Dialect::sqlite && settings_.delay.count() != 0)
    throw Misconfigured("delay: SQLite's times are text or numbers of the author's; leave `delay` out");
}

/// Which columns tell how far it is; of a table, its primary key may.
void SqlSource::find_order() {
  auto key = settings_.key;
  if (!settings_.table.empty()) {
    const auto columns = connection_->describe(settings_.table);
    if (!columns)
      throw Misconfigured("table " + settings_.table + " of " + connection_->url() +
                          " does not exist: create it, or name another");
    auto wanted = key;
    if (!settings_.column.empty()) wanted.push_back(settings_.column);
    for (const auto& name : wanted) {
      if (std::any_of(columns->begin(), columns->end(), [&](const auto& c) { return c.name == name; })) continue;
      std::string names;
      for (const auto& column : *columns) names += (names.empty() ? "" : ", ") + column.name;
      throw Misconfigured("table " + settings_.table + " of " + connection_->url() + " has no column " + name +
                          "; it has " + names);
    }
    for (const auto& column : *columns) {
      if (settings_.key.empty() && column.key && settings_.mode != "incrementing") key.push_back(column.name);
    }
    if (key.empty() && (settings_.mode == "timestamp" || settings_.mode == "changes"))
      throw Misconfigured("mode: " + settings_.mode + " needs `key`: table " + settings_.table + " of " +
                          connection_->url() + " has no primary key");
  }
  settings_.key = key;
  selection_.order = settings_.mode == "changes" ? std::vector<std::string>() : key;
  if (!settings_.column.empty()) {
    std::erase(selection_.order, settings_.column);
    selection_.order.insert(selection_.order.begin(), settings_.column);
  }
}

std::vector<std::size_t> SqlSource::places_of(const std::vector<std::string>& names, const Cursor& cursor) const {
  std::vector<std::size_t> places;
  for (const auto& name : names) {
    const auto at = std::find(cursor.names().begin(), cursor.names().end(), name);
    if (at == cursor.names().end()) throw Misconfigured("there is no column " + name + " in what is read");
    places.push_back(static_cast<std::size_t>(at - cursor.names().begin()));
  }
  return places;
}

void SqlSource::poll(Session& session) {
  next_pass_ = std::min(next_pass_, session.now() + settings_.interval.count());  // the clock may have been set back
  if (!scheduled_ && session.now() < next_pass_) return session.tick_at(next_pass_);
  const auto lock = connection_->lock();
  const bool more = selection_.limit == 0 ? read_on(session) : read_page(session);
  // A reading that has begun is ended: it does not wait for the next time of a schedule.
  if (more) return scheduled_ ? session.tick_at(session.now()) : session.again();
  if (context_.until_idle()) return session.finished();
  if (scheduled_) return;
  next_pass_ = session.now() + settings_.interval.count();
  session.tick_at(next_pass_);
}

/// Of `all`: what is read from here on is a reading of its own.
void SqlSource::begin_all(Session& session) {
  if (settings_.mode != "all") return;
  chunks_.pass = std::to_string(session.now());
  session.set_state(kPass, chunks_.pass);
}

void SqlSource::received(Session& session, RowChunks& chunks) {
  chunks.finish();
  if (chunks.rows() == 0) return;
  session.event("RECEIVE", connection_->url(), settings_.table.empty() ? "query" : "table " + settings_.table);
  rows_metric_.add(static_cast<double>(chunks.rows()));
}

/// One page, from where the state says. True if there is more.
bool SqlSource::read_page(Session& session) {
  auto selection = selection_;
  for (std::size_t i = 0; i < selection.order.size(); ++i) {
    if (const auto mark = session.state(mark_key(i))) selection.after.emplace_back(*mark);
  }
  if (selection.after.empty()) {
    begin_all(session);
  } else if (const auto pass = session.state(kPass)) {
    chunks_.pass = *pass;
  }
  if (selection.after.empty() && !settings_.start_after.empty()) selection.after = {literal_of(settings_.start_after)};
  const auto cursor = connection_->select(selection);
  const auto places = places_of(selection.order, *cursor);
  RowChunks chunks(session, chunks_);
  std::string row;
  std::vector<std::string> marks(places.size());
  bool full = false;
  while (!full && cursor->next()) {
    row.clear();
    append_row(*cursor, row);
    chunks.add(row);
    for (std::size_t i = 0; i < places.size(); ++i) marks[i] = cursor->literal(places[i]);
    full = session.over_budget();
  }
  const bool more = full || chunks.rows() == selection.limit;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    if (chunks.rows() > 0) session.set_state(mark_key(i), marks[i]);
    if (!more && settings_.mode == "all") session.erase_state(mark_key(i));  // the next pass begins from the beginning
  }
  received(session, chunks);
  return more;
}

void SqlSource::begin_pass(Session& session) {
  cursor_.reset();
  known_.begin();
  all_seen_ = false;
  cursor_ = connection_->select(selection_);
  in_pass_ = true;
  begin_all(session);
}

/// Goes on with the one query of a pass, or begins one. True if there is more.
bool SqlSource::read_on(Session& session) {
  const auto kept = session.state(kSessions);
  const auto sessions = kept ? std::stoull(std::string(*kept)) : 0;
  const bool goes_on = in_pass_ && sessions == sessions_;
  in_pass_ = false;  // until this session has got through: rows that were read from the cursor do not come again
  if (!goes_on) begin_pass(session);
  in_pass_ = false;
  RowChunks chunks(session, chunks_);
  bool more = true;
  if (settings_.mode == "changes") {
    more = read_changes(session, chunks);
  } else {
    std::string row;
    while (chunks.rows() < settings_.batch && !session.over_budget() && (more = cursor_->next())) {
      row.clear();
      append_row(*cursor_, row);
      chunks.add(row);
    }
  }
  received(session, chunks);
  if (!more) cursor_.reset();
  sessions_ = sessions + 1;
  session.set_state(kSessions, std::to_string(sessions_));
  in_pass_ = more;
  return more;
}

bool SqlSource::read_changes(Session& session, RowChunks& chunks) {
  std::string row;
  std::string key;
  if (!all_seen_) {
    const auto places = places_of(settings_.key, *cursor_);
    for (std::uint64_t seen = 0; seen < settings_.batch && !session.over_budget(); ++seen) {
      if (!cursor_->next()) {
        all_seen_ = true;
        break;
      }
      row.clear();
      append_row(*cursor_, row);
      key.clear();
      for (const auto place : places) {
        key += key.empty() ? '{' : ',';
        append_json_string(cursor_->names()[place], key);
        key += ':';
        cursor_->append_json(place, key);
      }
      key += '}';
      const auto change = known_.see(session, key, row);
      if (change != KnownRows::Change::none) chunks.add(row, change == KnownRows::Change::insert ? "insert" : "update");
    }
    if (!all_seen_) return true;
  }
  const auto missing = known_.take_missing(session, settings_.batch);
  for (const auto& gone : missing) chunks.add(gone, "delete");
  return missing.size() == settings_.batch;
}

}  // namespace weir::db
