#include "file_sink.h"

#include <algorithm>

#include "json_scanner.h"
#include "line_cutter.h"
#include "output_name.h"
#include "weir/errors.h"

namespace weir::file {

namespace {

constexpr std::uint64_t kMapped = 16 * MiB;  ///< larger content is read in pieces
constexpr std::uint64_t kPiece = 1 * MiB;
constexpr std::size_t kFewFiles = 8;            ///< to sync with every epoch, however little they got
constexpr std::uint64_t kWorthSync = 64 * KiB;  ///< bytes a file that are worth a sync of their own

Layout layout_of(const std::string& format, bool per_record) {
  if (format == "json_array") return Layout::array;
  return format == "ndjson" || per_record ? Layout::lines : Layout::bytes;
}

}  // namespace

FileSink::FileSink(FileSinkSettings settings) : settings_(std::move(settings)), template_(inspect(settings_.path)) {
  const auto& s = settings_;
  const bool each = s.mode == "file_each";
  if (s.path.empty() || s.path.back() == '/')
    throw Misconfigured("path must name a file, not a directory: '" + s.path + "'");
  if (std::any_of(s.path.begin(), s.path.end(), [](unsigned char c) { return c < 0x20 && c != '\n' && c != '\t'; }) ||
      (!template_.computed && s.path.find('\n') != std::string::npos))
    throw Misconfigured("path has control characters in it");
  if (each && template_.per_record)
    throw Misconfigured(
        "mode: file_each writes a file a FlowFile: its path can use $(attr('…')), but no record's fields");
  if (each && (s.roll_size || s.roll_count || s.roll_age))
    throw Misconfigured("mode: file_each writes a file a FlowFile: roll_size, roll_count and roll_age do not apply");
  auto& file = options_.file;
  file.layout = layout_of(s.format, template_.per_record);
  file.newline = s.separator == "newline" && !each;
  file.level = s.level;
  if (s.compression == "none") file.compression = Compression::none;
  if (s.compression == "gzip") file.compression = Compression::gzip;
  if (s.compression == "zstd") file.compression = Compression::zstd;
  options_.number_first = s.roll_size || s.roll_count || s.roll_age;
  const bool compressed =
      file.compression ? *file.compression != Compression::none : compression_of(s.path) != Compression::none;
  options_.in_place = !compressed && !options_.number_first && !each && file.layout != Layout::array;
  options_.roll_size = s.roll_size.value_or(0);
  options_.roll_count = s.roll_count.value_or(0);
  options_.roll_age = s.roll_age.value_or(Duration{0});
  options_.close_idle = s.close_idle;
  options_.max_open = s.max_open;
}

void FileSink::start(Context& context) {
  context_ = context;
  if (template_.computed) {
    Query query(context_);
    query.templated(settings_.path, Encoding::path_segment);
    if (!template_.per_record) query.per_flowfile();
    paths_ = query.prepare();
  }
  files_ = std::make_unique<OutputSet>(options_, context_.folder(),
                                       [this](const std::string& text) { context_.bulletin(Level::warning, text); });
  sound_ = false;
  context_.wake();  // what was left to do: cut off, remove, rename
}

template <class F>
void FileSink::guarded(Session& session, F&& work) {
  const bool expected = sound_ && session.held_count() == held_;
  sound_ = false;
  if (!expected) {
    files_->recover(session);
    held_ = session.held_count();
    held_bytes_ = 0;
    last_commit_ = session.now();
    for (std::uint32_t i = 0; i < held_; ++i) {
      const auto file = session.take_held(i);
      write_again(session, file);
      session.hold(file);
      held_bytes_ += file.size();
    }
  }
  files_->rename_complete(durable_token_.load(), &session);
  work();
  sound_ = true;
  ask_for_tick(session);
}

void FileSink::step(Batch batch, Session& session) {
  guarded(session, [&] {
    if (batch.empty()) return;
    if (template_.per_record) {
      write_records(session, batch);
    } else {
      write_files(session, batch);
    }
  });
}

void FileSink::write_records(Session& session, Batch batch) {
  struct Failed {
    std::uint32_t input;
    std::string json;
    std::string message;
  };
  std::vector<Failed> failed;
  std::vector<bool> written(batch.size(), false);
  paths_.run(session, batch, [&](const Row& row) {
    std::string objection;
    try {
      if (path_of(row, objection)) {
        write_record(row, session.now());
        written[row.input] = true;
        return;
      }
    } catch (const Rejected& error) {
      objection = error.what();
    }
    failed.push_back({row.input, std::string(view(row.json)), std::move(objection)});
  });
  std::vector<bool> rejected(batch.size(), false);
  for (const auto& f : failed) {
    const auto input = batch[f.input];
    if (written[f.input]) {
      const auto record = session.create(input);
      session.append(record, f.json);
      session.records(record, 1);
      session.reject(record, f.message);
    } else if (!rejected[f.input]) {  // nothing in it can be written: it goes as it came
      rejected[f.input] = true;
      session.reject(input, f.message);
    }
  }
  for (const auto file : batch) {
    if (rejected[file.handle()]) continue;
    session.hold(file);
    ++held_;
    held_bytes_ += file.size();
  }
}

void FileSink::write_files(Session& session, Batch batch) {
  const auto write = [&](FlowFile file, const std::string& path) {
    try {
      write_file(file, path, session.now());
      session.hold(file);
      ++held_;
      held_bytes_ += file.size();
    } catch (const Rejected& error) {
      session.reject(file, error.what());
    }
  };
  if (!template_.computed) {
    for (const auto file : batch) write(file, settings_.path);
    return;
  }
  paths_.run(session, batch, [&](const Row& row) {
    std::string objection;
    const auto file = batch[row.input];
    if (path_of(row, objection)) {
      write(file, path_);
    } else {
      session.reject(file, objection);
    }
  });
}

/// Of what was refused the first time, the outcome is known and stands.
void FileSink::write_again(Session& session, FlowFile held) {
  if (!template_.computed) return write_file(held, settings_.path, session.now());
  paths_.run(session, held, [&](const Row& row) {
    std::string objection;
    try {
      if (!path_of(row, objection)) return;
      if (template_.per_record) {
        write_record(row, session.now());
      } else {
        write_file(held, path_, session.now());
      }
    } catch (const Rejected&) {
      return;
    }
  });
}

/// Puts the row's path into path_; false if it has none, and why.
bool FileSink::path_of(const Row& row, std::string& objection) {
  if (row.error.size != 0) {
    objection = view(row.error);
    return false;
  }
  const auto path = view(row.values[0].text);
  if (path == path_ && !path.empty()) return true;
  if (row.values[0].type == ValueType::null) {
    objection = "its path is NULL";
    return false;
  }
  objection = objection_to(path, template_.fixed);
  if (!objection.empty()) return false;
  path_ = path;
  return true;
}

void FileSink::write_record(const Row& row, std::int64_t now) {
  files_->at(path_, now).add_record(view(row.json), row.form == Form::lines);
  if (options_.number_first) files_->roll_if_full();
}

void FileSink::write_file(FlowFile file, const std::string& path, std::int64_t now) {
  records_.clear();
  if (options_.file.layout != Layout::bytes) {
    const auto content = file.content();
    const auto form = form_of(content);
    if (form == ContentForm::object || form == ContentForm::array) append_records(records_, content, form);
  }
  if (settings_.mode == "file_each") {
    write_content(file, files_->separate(path, now));
    return files_->end_separate();
  }
  write_content(file, files_->at(path, now));
  if (options_.number_first) files_->roll_if_full();
}

void FileSink::write_content(FlowFile file, OutputFile& output) {
  if (options_.file.layout == Layout::bytes) {
    if (file.size() <= kMapped) {
      output.add_bytes(file.content());
    } else {
      std::string piece(kPiece, '\0');
      for (std::uint64_t done = 0; done < file.size();) {
        const auto n = file.read(done, piece.data(), piece.size());
        if (n == 0) throw Unavailable("the content of a FlowFile ended early, at byte " + std::to_string(done));
        output.add_bytes({piece.data(), n});
        done += n;
      }
    }
    return output.end_bytes(file.records());
  }
  const auto lines = records_.empty() ? file.content() : std::string_view(records_);
  output.add_lines(lines);
}

void FileSink::tick(Session& session) {
  guarded(session, [&] {
    files_->close_due(session.now());
    commit(session, true);
  });
}

void FileSink::flush(Session& session) {
  guarded(session, [&] { commit(session, !ending_); });
}

void FileSink::finish(Session& session) {
  ending_ = true;
  guarded(session, [&] {
    files_->close_all();
    commit(session, false);
  });
}

void FileSink::commit(Session& session, bool may_wait) {
  const auto dirty = files_->dirty_count();
  if (may_wait && dirty > kFewFiles && held_bytes_ < dirty * kWorthSync &&
      session.now() - last_commit_ < settings_.sync_every.count())
    return;
  last_commit_ = session.now();
  const auto written = files_->commit(session);
  for (std::uint32_t i = 0; i < held_; ++i) session.drop(session.take_held(i), {});
  if (held_ != 0 && !written.empty()) {
    const auto more = written.size() == 1 ? "" : "and " + std::to_string(written.size() - 1) + " more files";
    session.event("SEND", file_uri(written.front()), more);
  }
  held_ = 0;
  held_bytes_ = 0;
}

void FileSink::ask_for_tick(Session& session) {
  if (files_->renames_pending()) session.tick_at(session.now() + 50'000'000);
  if (const auto due = files_->next_due()) session.tick_at(std::max(*due, session.now() + 1'000'000));
  if (held_ != 0 && settings_.sync_every.count() != 0)
    session.tick_at(std::max(last_commit_ + settings_.sync_every.count(), session.now() + 1'000'000));
}

void FileSink::durable(std::uint64_t token) {
  auto known = durable_token_.load();
  while (known < token && !durable_token_.compare_exchange_weak(known, token)) {
  }
  context_.wake();
}

void FileSink::stop() {
  try {
    if (files_) files_->rename_complete(durable_token_.load(), nullptr);
  } catch (const std::exception& error) {
    context_.bulletin(Level::warning, std::string(error.what()) + ": it is done at the next start");
  }
  files_.reset();
}

}  // namespace weir::file
