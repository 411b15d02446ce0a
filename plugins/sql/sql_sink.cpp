#include "sql_sink.h"

#include <algorithm>

#include "identifiers.h"

namespace weir::db {

namespace {

/// The table is another than it was: what was made of its columns does not hold.
struct Altered {};

constexpr int kMostTries = 3;  ///< of what the server took back, before the engine tries it again later

void check_table(const SqlSinkSettings& settings) {
  if (settings.mode == "statement") {
    if (settings.statement.empty()) throw Misconfigured("mode: statement needs `statement`, the SQL to execute");
    if (!settings.then.empty()) throw Misconfigured("then belongs to a table: with `mode: statement`, leave it out");
    if (!settings.table.empty() || !settings.key.empty() || !settings.version.empty() || !settings.partition.empty())
      throw Misconfigured(
          "with `mode: statement`, leave out `table`, `key`, `version` and `partition`: the statement says it all");
    return;
  }
  if (!settings.statement.empty()) throw Misconfigured("statement belongs to `mode: statement`");
  if (settings.table.empty()) throw Misconfigured("table: a table needs a name");
  if (settings.table.starts_with("weir_") || settings.table.starts_with("sqlite_"))
    throw Misconfigured("table: names that begin with weir_ or sqlite_ are reserved");
  if (settings.mode == "upsert" && settings.key.empty())
    throw Misconfigured("mode: upsert needs `key`, the columns that tell rows apart");
  if (settings.mode == "insert" && !settings.key.empty())
    throw Misconfigured("key belongs to `mode: upsert`; with insert, leave it out");
  if (settings.mode == "insert" && !settings.version.empty())
    throw Misconfigured("version belongs to `mode: upsert`; with insert, leave it out");
  if (std::find(settings.key.begin(), settings.key.end(), settings.version) != settings.key.end())
    throw Misconfigured("version: " + settings.version + " is in the key: rows of other versions are other rows then");
  if (!settings.partition.empty() && settings.version.empty())
    throw Misconfigured("partition needs `version`, the column that tells which delivery of it a row is from");
}

/// Names that are too long for the database.
void check_names(const SqlSinkSettings& settings, Address::Kind kind) {
  const auto dialect = kind == Address::Kind::postgresql ? Dialect::postgresql
                       : kind == Address::Kind::mariadb  ? Dialect::mariadb
                                                         : Dialect::sqlite;
  if (settings.mode == "statement") return;
  check_table_name(dialect, "table", settings.table);
  for (const auto& name : settings.key) check_name(dialect, "key", name);
  for (const auto& name : settings.partition) check_name(dialect, "partition", name);
  check_name(dialect, "version", settings.version);
  for (const auto& [name, sql] : settings.columns) check_name(dialect, "columns", name);
}

}  // namespace

Address address_of(const SqlSinkSettings& settings) {
  if (settings.url.has_value() == settings.database.has_value())
    throw Misconfigured("say where to write with either `database` or `url`");
  if (settings.url && !settings.url->starts_with("sqlite:") && settings.url->find("://") == std::string::npos)
    throw Misconfigured("url: '" + *settings.url + "' is of no database known here; a SQLite file is sqlite:PATH");
  return parse_address(settings.database ? *settings.database : *settings.url);
}

SqlSink::SqlSink(SqlSinkSettings settings)
    : settings_(std::move(settings)),
      address_(address_of(settings_)),
      login_{settings_.password, settings_.tls, settings_.timeout} {
  check(address_, login_);
  check_table(settings_);
  check_names(settings_, address_.kind);
}

void SqlSink::start(Context& context) {
  connection_ = Connection::open(address_, login_);
  records_ = Query(context).column("NULL").prepare();
  const auto lock = connection_->lock();
  connection_->commit();  // an instance before this one may have left something open
  for (const auto& statement : settings_.setup) connection_->execute(statement);
  rows_.emplace(TableSettings{settings_.table, settings_.create, settings_.key, settings_.version, settings_.partition,
                              settings_.columns, settings_.statement, settings_.then},
                context, *connection_);
  if (context.exactly_once()) lane_ = Lane(context);
  if (lane_) {
    failure_ = context.relationship("failure");
    place_.emplace(*connection_, lane_.id(), std::string(context.name()));
    claimed_ = place_->claim();
    lane_.claim(claimed_);
  } else if (context.exactly_once()) {
    start_progress(context);
  }
  rows_metric_ = context.counter("sql_rows", "Rows written, also those that a rollback took back.");
  rejected_metric_ = context.counter("sql_rejected_records", "Records that the table does not take.");
  commits_metric_ = context.counter("sql_commits", "Transactions committed.");
}

void SqlSink::start_progress(Context& context) {
  progress_table_.emplace(*connection_, std::string(context.store_id()));
  const auto where = "the table weir_progress of " + connection_->url();
  connection_->begin();
  for (const auto& input : context.inputs()) {
    const std::string id(view(input.id));
    const auto stored = progress_table_->next(id);
    progress_.insert_or_assign(id, ExactlyOnceProgress(input, stored, where));
    first_[id] = input.cursor;
    // From the first row on, whoever comes later has something to wait for.
    if (!stored && connection_->dialect() != Dialect::sqlite) progress_table_->set_next(id, input.cursor);
  }
  connection_->commit();
}

/// A session may be rolled back after its step: what is held then is as it was before.
void SqlSink::match_held(Session& session) {
  const auto held = session.held_count();
  if (finished_ > 0 && held == written_.size() - finished_)
    written_.erase(written_.begin(), written_.begin() + static_cast<std::ptrdiff_t>(finished_));
  finished_ = 0;
  if (held < written_.size()) written_.resize(held);
  if (held != written_.size()) throw std::logic_error("FlowFiles are held that this sink has not written");
}

bool SqlSink::lost() const {
  return std::any_of(written_.begin(), written_.end(),
                     [&](const auto& written) { return !connection_->holds(written.transaction); });
}

/// What `work` writes becomes part of the transaction as a whole, or not at all.
template <class Work>
void SqlSink::as_a_whole(Work&& work) {
  const auto before = progress_;
  const auto take_back = [&] {
    progress_ = before;
    rows_->clear();
  };
  const auto learn = [&] {
    rows_->read_columns();
    throw TakenBack(connection_->url() + ": the table " + settings_.table +
                    " has been altered; what is under way is written again");
  };
  try {
    connection_->as_a_whole(work);
  } catch (const Altered&) {
    take_back();
    learn();
  } catch (const Misconfigured&) {  // such as a statement that does not suit a column's new type
    take_back();
    if (rows_->altered()) learn();
    throw;
  } catch (...) {
    take_back();
    throw;
  }
}

std::vector<SqlSink::Written> SqlSink::write(Session& session, const std::vector<ToWrite>& files,
                                             std::uint64_t transaction) {
  std::vector<Written> all;
  std::vector<bool> repeated;
  std::vector<Refusal> refused;
  std::uint64_t rows = 0;
  for (const auto& [file, connection] : files) {
    auto& written = all.emplace_back(Written{connection, file.sequence(), transaction, {}});
    const auto progress = progress_.find(connection);
    repeated.push_back(progress != progress_.end() && progress->second.has(written.sequence));
    if (repeated.back()) {
      written.rejected = progress_table_->rejected(connection, written.sequence);
    } else {
      rows += rows_->add(session, file, static_cast<std::uint32_t>(all.size() - 1), refused);
    }
  }
  const auto by_writer = refused.size();
  rows_->finish(refused);
  if (rows_->has_followers()) {
    for (std::uint32_t i = 0; i < files.size(); ++i) {
      if (!repeated[i]) rows_->follow(session, files[i].file, i, refused);
    }
    rows_->finish_followers(refused);
  }
  // Whoever alters the table says nothing to us: where something is refused, it may have been for what is no more.
  if (!refused.empty() && rows_->altered()) throw Altered{};
  rows_metric_.add(static_cast<double>(rows - (refused.size() - by_writer)));
  for (auto& refusal : refused) all[refusal.file].rejected.push_back({refusal.record, std::move(refusal.message)});
  for (auto& written : all)
    std::sort(written.rejected.begin(), written.rejected.end(),
              [](const auto& a, const auto& b) { return a.record < b.record; });
  if (progress_table_) store_progress(all, repeated);
  return all;
}

void SqlSink::store_progress(const std::vector<Written>& all, const std::vector<bool>& repeated) {
  std::map<std::string, std::uint64_t> next;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (repeated[i]) continue;
    const auto& written = all[i];
    if (!written.rejected.empty()) {
      progress_table_->reject(written.connection, written.sequence, written.rejected);
      rejections_stored_ = true;
    }
    auto& progress = progress_.find(written.connection)->second;
    progress.add(written.sequence);
    next[written.connection] = progress.next();
  }
  for (const auto& [connection, number] : next) progress_table_->set_next(connection, number);
}

void SqlSink::step(Batch batch, Session& session) {
  const auto lock = connection_->lock();
  match_held(session);
  if (batch.empty()) return;
  const std::string connection(session.connection());
  if (lane_) {
    for (const auto file : batch) {
      written_.push_back({connection, file.sequence(), 0, {}});
      session.hold(file);
    }
    return;
  }
  if (lost()) throw Unavailable(connection_->url() + ": what was written before has to be written again first");
  if (progress_table_ && !progress_.contains(connection))
    throw std::logic_error("input from a connection that was not there at start: " + connection);
  std::vector<ToWrite> files;
  std::vector<FlowFile> all_files;
  for (const auto file : batch) {
    files.push_back({file, connection});
    all_files.push_back(file);
  }
  rows_->prepare(session, all_files);
  std::vector<Written> all;
  as_a_whole([&](std::uint64_t transaction) {
    if (progress_table_ && std::exchange(rejections_stored_, false)) {
      progress_table_->forget_before(connection, session.durable_cursor());
      rejections_stored_ = session.durable_cursor() < progress_.find(connection)->second.next();
    }
    all = write(session, files, transaction);
  });
  written_.insert(written_.end(), std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()));
  for (const auto file : batch) session.hold(file);
}

/// A transaction was lost (the disk was full, say, or the server gone): what was in it is still held.
void SqlSink::write_again(Session& session, const std::vector<FlowFile>& files) {
  rows_->forget_partitions();
  std::vector<ToWrite> again;
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (connection_->holds(written_[i].transaction)) continue;
    again.push_back({files[i], written_[i].connection});
    at.push_back(i);
  }
  rows_->prepare(session, files);
  std::vector<Written> all;
  as_a_whole([&](std::uint64_t transaction) {
    // The commit that failed may have succeeded all the same: what is there says so.
    for (auto& [connection, progress] : progress_)
      progress.set(progress_table_->next(connection).value_or(first_.find(connection)->second));
    all = write(session, again, transaction);
  });
  for (std::size_t i = 0; i < at.size(); ++i) written_[at[i]] = std::move(all[i]);
}

/// All that the round has brought, and that it has. Whatever became of a commit that failed, the lane finds it out by
/// beginning anew. False: something was refused, and goes to `failure` first; nothing is written yet.
bool SqlSink::write_round(Session& session, const std::vector<FlowFile>& files) {
  std::vector<ToWrite> all;
  for (std::size_t i = 0; i < files.size(); ++i) all.push_back({files[i], written_[i].connection});
  rows_->prepare(session, files);
  for (int tries = 1;; ++tries) {
    bool ours = false;
    rows_->forget_partitions();
    try {
      std::vector<Written> written;
      as_a_whole([&](std::uint64_t transaction) {
        written = write(session, all, transaction);
        ours = place_->store(std::max(lane_->end(), claimed_));
      });
      if (ours) written_ = std::move(written);
    } catch (const TakenBack&) {
      connection_->roll_back();
      if (tries == kMostTries) throw;
      continue;
    } catch (...) {
      connection_->roll_back();
      throw;
    }
    if (!ours) {
      connection_->roll_back();
      lane_.lost("another Weir has claimed it in " + connection_->url());
      throw Unavailable("the lane " + lane_.id() + " is another Weir's now");
    }
    if (send_refused(session, files)) {
      connection_->roll_back();
      return false;
    }
    try {
      connection_->commit();
      return true;
    } catch (const TakenBack&) {
      if (tries == kMostTries) throw;
    } catch (const std::exception& error) {
      lane_.lost(std::string("what became of a commit is not known: ") + error.what());
      throw;
    }
  }
}

/// Whether what is refused in a lane has to be at `failure` before the commit; else it ends here.
bool SqlSink::refused_before_commit(const Session& session) const {
  return lane_ && session.routed(failure_);
}

bool SqlSink::send_refused(Session& session, const std::vector<FlowFile>& files) {
  if (!refused_before_commit(session)) return false;
  std::size_t sent = 0;
  for (std::size_t i = 0; i < files.size(); ++i)
    sent += refusals_.send(session, files[i], written_[i].connection, &records_, written_[i].rejected);
  if (sent == 0) return false;
  rejected_metric_.add(static_cast<double>(sent));
  for (const auto file : files) session.hold(file);
  return true;
}

void SqlSink::write_and_commit(Session& session, const std::vector<FlowFile>& files) {
  for (int tries = 1;; ++tries) {
    try {
      if (lost()) write_again(session, files);
      return connection_->commit();
    } catch (const TakenBack&) {
      if (tries == kMostTries) throw;
    }
  }
}

void SqlSink::flush(Session& session) {
  const auto lock = connection_->lock();
  match_held(session);
  if (written_.empty()) return;
  std::vector<FlowFile> files;
  for (std::uint32_t i = 0; i < written_.size(); ++i) files.push_back(session.take_held(i));
  if (lane_) {
    refusals_.match(session);
    if (!write_round(session, files)) return;
    refusals_.forget();
  } else {
    write_and_commit(session, files);
  }
  commits_metric_.add(1);
  session.event("SEND", connection_->url(), settings_.table.empty() ? "statement" : "table " + settings_.table);
  for (std::size_t i = 0; i < files.size(); ++i) conclude(session, files[i], written_[i]);
  finished_ = written_.size();
}

void SqlSink::conclude(Session& session, FlowFile file, const Written& written) {
  const auto& rejected = written.rejected;
  if (rejected.empty() || refused_before_commit(session)) return session.drop(file, {});
  rejected_metric_.add(static_cast<double>(rejected.size()));
  if (rejects_whole(session, file, records_, rejected)) return session.reject(file, rejected[0].message);
  if (reject_records(session, file, records_, rejected) > rejected.size()) session.drop(file, {});
}

}  // namespace weir::db
