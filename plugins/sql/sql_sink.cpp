#include "sql_sink.h"

#include <algorithm>
#include <deque>

namespace weir::sqlite {

namespace {

constexpr std::size_t kMostMessages = 50;  ///< different reasons of a FlowFile's rejected records that are kept apart

std::string path_of(const SqlSinkSettings& settings) {
  constexpr std::string_view kScheme = "sqlite:";
  if (settings.url.has_value() == settings.database.has_value())
    throw Misconfigured("say where to write with either `database` (a SQLite file) or `url`");
  if (settings.database) return *settings.database;
  if (!settings.url->starts_with(kScheme))
    throw Misconfigured("url: '" + *settings.url + "' is of no database known here; a SQLite file is sqlite:PATH");
  auto path = settings.url->substr(kScheme.size());
  if (path.starts_with("///")) path.erase(0, 2);  // sqlite:///var/x.db names /var/x.db
  return path;
}

}  // namespace

SqlSink::SqlSink(SqlSinkSettings settings) : settings_(std::move(settings)), path_(path_of(settings_)) {
  if (path_.empty()) throw Misconfigured("the path of the database is empty");
  if (settings_.table.empty()) throw Misconfigured("table: a table needs a name");
  if (settings_.table.starts_with("weir_") || settings_.table.starts_with("sqlite_"))
    throw Misconfigured("table: names that begin with weir_ or sqlite_ are reserved");
  if (settings_.mode == "upsert" && settings_.key.empty())
    throw Misconfigured("mode: upsert needs `key`, the columns that tell rows apart");
  if (settings_.mode == "insert" && !settings_.key.empty())
    throw Misconfigured("key belongs to `mode: upsert`; with insert, leave it out");
}

void SqlSink::start(Context& context) {
  target_ = Target::open(path_);
  records_ = Query(context).column("NULL").prepare();
  const auto lock = target_->lock();
  try {
    target_->commit();  // an instance before this one may have left something open
    rows_.emplace(TableSettings{settings_.table, settings_.create, settings_.key, settings_.columns}, context, target_);
    if (context.exactly_once()) {
      progress_table_.emplace(target_->database(), std::string(context.store_id()));
      for (const auto& input : context.inputs()) {
        const std::string id(view(input.id));
        progress_.insert_or_assign(
            id, ExactlyOnceProgress(input, progress_table_->next(id), "the table weir_progress of " + target_->path()));
        first_[id] = input.cursor;
      }
    }
  } catch (const Error& error) {
    raise(error, target_->path());
  }
  rows_metric_ = context.counter("sql_rows", "Rows written, also those that a rollback took back.");
  rejected_metric_ = context.counter("sql_rejected_records", "Records that the table does not take.");
  commits_metric_ = context.counter("sql_commits", "Transactions committed.");
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
  return std::any_of(written_.begin(), written_.end(), [&](const auto& w) { return !target_->holds(w.transaction); });
}

/// What `work` writes becomes part of the transaction as a whole, or not at all.
template <class Work>
void SqlSink::in_savepoint(Work&& work) {
  const auto before = progress_;
  try {
    const auto transaction = target_->begin();
    target_->database().execute("SAVEPOINT step");
    work(transaction);
    target_->database().execute("RELEASE step");
  } catch (...) {
    progress_ = before;
    target_->check();
    try {
      if (target_->database().in_transaction()) target_->database().execute("ROLLBACK TO step; RELEASE step");
    } catch (const Error&) {
      target_->roll_back();  // BEGIN or SAVEPOINT failed, or nothing works any more
    }
    throw;
  }
}

SqlSink::Written SqlSink::write(Session& session, FlowFile file, const std::string& connection,
                                std::uint64_t transaction) {
  Written written{connection, file.sequence(), transaction, {}};
  const auto progress = progress_.find(connection);
  if (progress != progress_.end() && progress->second.has(written.sequence)) {
    written.rejected = progress_table_->rejected(connection, written.sequence);
    return written;
  }
  rows_metric_.add(static_cast<double>(rows_->write(session, file, written.rejected)));
  if (progress_table_) {
    if (!written.rejected.empty()) {
      progress_table_->reject(connection, written.sequence, written.rejected);
      rejections_stored_ = true;
    }
    progress->second.add(written.sequence);
    progress_table_->set_next(connection, progress->second.next());
  }
  return written;
}

void SqlSink::step(Batch batch, Session& session) {
  const auto lock = target_->lock();
  match_held(session);
  if (batch.empty()) return;
  if (lost()) throw Unavailable(target_->path() + ": what was written before has to be written again first");
  const std::string connection(session.connection());
  if (progress_table_ && !progress_.contains(connection))
    throw std::logic_error("input from a connection that was not there at start: " + connection);
  const auto count = written_.size();
  try {
    for (const auto file : batch) rows_->prepare(session, file);
    in_savepoint([&](std::uint64_t transaction) {
      if (progress_table_ && std::exchange(rejections_stored_, false)) {
        progress_table_->forget_before(connection, session.durable_cursor());
        rejections_stored_ = session.durable_cursor() < progress_.find(connection)->second.next();
      }
      for (const auto file : batch) written_.push_back(write(session, file, connection, transaction));
    });
  } catch (const Error& error) {
    written_.resize(count);
    raise(error, target_->path());
  } catch (...) {
    written_.resize(count);
    throw;
  }
  for (const auto file : batch) session.hold(file);
}

/// A transaction was lost (the disk was full, say): what was in it is still held.
void SqlSink::write_again(Session& session, const std::vector<FlowFile>& files) {
  for (auto& [connection, progress] : progress_)
    progress.set(progress_table_->next(connection).value_or(first_.find(connection)->second));
  auto again = written_;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!target_->holds(again[i].transaction)) rows_->prepare(session, files[i]);
  }
  in_savepoint([&](std::uint64_t transaction) {
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!target_->holds(again[i].transaction)) again[i] = write(session, files[i], again[i].connection, transaction);
    }
  });
  written_ = std::move(again);
}

void SqlSink::flush(Session& session) {
  const auto lock = target_->lock();
  match_held(session);
  if (written_.empty()) return;
  std::vector<FlowFile> files;
  for (std::uint32_t i = 0; i < written_.size(); ++i) files.push_back(session.take_held(i));
  try {
    if (lost()) write_again(session, files);
    target_->commit();
    commits_metric_.add(1);
  } catch (const Error& error) {
    raise(error, target_->path());
  }
  session.event("SEND", "sqlite:" + target_->path(), "table " + settings_.table);
  for (std::size_t i = 0; i < files.size(); ++i) conclude(session, files[i], written_[i]);
  finished_ = written_.size();
}

void SqlSink::conclude(Session& session, FlowFile file, const Written& written) {
  const auto& rejected = written.rejected;
  if (rejected.empty()) return session.drop(file, {});
  rejected_metric_.add(static_cast<double>(rejected.size()));
  std::uint32_t records = 0;
  std::deque<std::pair<std::string, RecordWriter>> parts;  // by message
  std::size_t next = 0;
  const bool alike = std::all_of(rejected.begin(), rejected.end(),
                                 [&](const auto& record) { return record.message == rejected[0].message; });
  if (alike) {
    records_.run(session, file, [&](const Row&) { ++records; });
    if (records == rejected.size()) return session.reject(file, rejected[0].message);
    records = 0;
  }
  records_.run(session, file, [&](const Row& row) {
    ++records;
    if (next == rejected.size() || rejected[next].record != row.record) return;
    const auto& message = rejected[next++].message;
    auto part = std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.first == message; });
    if (part == parts.end() && parts.size() == kMostMessages) part = parts.end() - 1;
    if (part == parts.end()) {
      parts.emplace_back(message, RecordWriter(session, session.create(file), row.form));
      part = parts.end() - 1;
    }
    part->second.write(view(row.json));
  });
  for (auto& [message, part] : parts) {
    part.finish();
    session.reject(part.file(), message);
  }
  if (records > rejected.size()) session.drop(file, {});
}

}  // namespace weir::sqlite
