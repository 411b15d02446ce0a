#include "partitioned_sink.h"

#include <algorithm>

#include "json_scanner.h"
#include "line_cutter.h"
#include "weir/errors.h"

namespace weir::file {

namespace {

constexpr std::uint64_t kMapped = 16 * MiB;  ///< larger content is read in pieces
constexpr std::uint64_t kPiece = 1 * MiB;
constexpr std::size_t kFewFiles = 8;            ///< to sync with every epoch, however little they got
constexpr std::uint64_t kWorthSync = 64 * KiB;  ///< bytes a file that are worth a sync of their own

}  // namespace

Layout layout_of(const std::string& format, bool per_record) {
  if (format == "json_array") return Layout::array;
  return format == "ndjson" || per_record ? Layout::lines : Layout::bytes;
}

std::optional<Compression> compression_named(const std::string& name) {
  if (name == "none") return Compression::none;
  if (name == "gzip") return Compression::gzip;
  if (name == "zstd") return Compression::zstd;
  return std::nullopt;
}

OutputFile* Targets::at_generation(const std::string& path, const std::string& generation, std::int64_t now) {
  (void)generation;
  return &at(path, now);
}

PathTemplate inspect(const PartitionedSettings& settings) {
  auto result = inspect(settings.path);
  for (const auto* text : {&settings.generation, &settings.header}) {
    const auto more = inspect(*text);
    result.computed = result.computed || more.computed;
    result.per_record = result.per_record || more.per_record;
  }
  return result;
}

PartitionedSink::PartitionedSink(PartitionedSettings settings)
    : settings_(std::move(settings)),
      template_(inspect(settings_)),
      path_(template_.computed ? std::string() : settings_.path),
      generation_(settings_.generation),
      header_(settings_.header) {}

void PartitionedSink::start(Context& context) {
  context_ = context;
  if (template_.computed) {
    Query query(context_);
    query.templated(settings_.path, Encoding::path_segment);
    query.templated(settings_.generation).templated(settings_.header);
    if (!template_.per_record) query.per_flowfile();
    paths_ = query.prepare();
  }
  outputs_ = open(context_);
  sound_ = false;
  context_.wake();  // what was left to do: cut off, remove, rename
}

template <class F>
void PartitionedSink::guarded(Session& session, F&& work) {
  const bool expected = sound_ && session.held_count() == held_;
  sound_ = false;
  std::uint32_t again = 0;
  if (!expected) {
    outputs_->recover(session);
    held_ = session.held_count();
    held_bytes_ = 0;
    last_commit_ = session.now();
    for (std::uint32_t i = 0; i < held_; ++i) {
      const auto file = session.take_held(i);
      write(session, file, *outputs_, [](std::uint32_t, const std::string&) {});  // what was refused then, stands
      held_bytes_ += file.size();
    }
    again = held_;
  }
  outputs_->advance(session);
  work();
  // Unless the work was to commit it, what was written again goes on being held.
  for (std::uint32_t i = 0; held_ != 0 && i < again; ++i) session.hold(session.take_held(i));
  sound_ = true;
  ask_for_tick(session);
}

void PartitionedSink::step(Batch batch, Session& session) {
  guarded(session, [&] {
    if (batch.empty()) return;
    if (template_.per_record) {
      write_records(session, batch);
    } else {
      write_files(session, batch);
    }
  });
}

void PartitionedSink::write_records(Session& session, Batch batch) {
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
        write_record(row, *outputs_, session.now());
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

void PartitionedSink::write_files(Session& session, Batch batch) {
  const auto write = [&](FlowFile file) {
    try {
      write_file(file, *outputs_, session.now());
      session.hold(file);
      ++held_;
      held_bytes_ += file.size();
    } catch (const Rejected& error) {
      session.reject(file, error.what());
    }
  };
  if (!template_.computed) {
    for (const auto file : batch) write(file);
    return;
  }
  paths_.run(session, batch, [&](const Row& row) {
    std::string objection;
    const auto file = batch[row.input];
    if (path_of(row, objection)) {
      write(file);
    } else {
      session.reject(file, objection);
    }
  });
}

void PartitionedSink::write(Session& session, FlowFile file, Targets& to, const Refuse& refuse) {
  if (!template_.computed) {
    try {
      write_file(file, to, session.now());
    } catch (const Rejected& error) {
      refuse(0, error.what());
    }
    return;
  }
  paths_.run(session, file, [&](const Row& row) {
    std::string objection;
    try {
      if (!path_of(row, objection)) return refuse(row.record, std::move(objection));
      if (template_.per_record) {
        write_record(row, to, session.now());
      } else {
        write_file(file, to, session.now());
      }
    } catch (const Rejected& error) {
      refuse(row.record, error.what());
    }
  });
}

/// Puts the row's generation and header into their members; false if it has no generation, and why.
bool PartitionedSink::generation_of(const Row& row, std::string& objection) {
  if (!settings_.generation.empty()) {
    const auto generation = view(row.values[1].text);
    if (generation.empty()) {
      objection = "its generation is empty";
      return false;
    }
    if (generation != generation_) generation_ = generation;
  }
  if (!settings_.header.empty()) header_ = view(row.values[2].text);
  return true;
}

/// Puts the row's path into path_, and what goes with it; false if it has none, and why.
bool PartitionedSink::path_of(const Row& row, std::string& objection) {
  if (row.error.size != 0) {
    objection = view(row.error);
    return false;
  }
  if (!generation_of(row, objection)) return false;
  const auto path = view(row.values[0].text);
  if (path == path_ && !path.empty()) return true;
  if (row.values[0].type == ValueType::null) {
    objection = "its path is NULL";
    return false;
  }
  objection = objection_to_path(path, template_.fixed);
  if (!objection.empty()) return false;
  path_ = path;
  return true;
}

/// The output of the record at hand, with its header; null if the record's generation is over.
OutputFile* PartitionedSink::output(Targets& to, std::int64_t now) {
  auto* const output = settings_.generation.empty() ? &to.at(path_, now) : to.at_generation(path_, generation_, now);
  if (output != nullptr && !settings_.header.empty()) output->begin(header_);
  return output;
}

void PartitionedSink::write_record(const Row& row, Targets& to, std::int64_t now) {
  auto* const at = output(to, now);
  if (at == nullptr) return;
  at->add_record(view(row.json), row.form == Form::lines);
  if (settings_.rolls) to.roll_if_full();
}

void PartitionedSink::write_file(FlowFile file, Targets& to, std::int64_t now) {
  records_.clear();
  as_lines_ = false;
  if (settings_.output.layout != Layout::bytes) {
    const auto content = file.content();
    const auto form = form_of(content);
    as_lines_ = form == ContentForm::object || form == ContentForm::array;
    if (as_lines_) append_records(records_, content, form);
  }
  if (settings_.each) {
    auto& at = to.separate(path_, now);
    at.begin(header_);
    write_content(file, at);
    return to.end_separate();
  }
  auto* const at = output(to, now);
  if (at == nullptr) return;
  write_content(file, *at);
  if (settings_.rolls) to.roll_if_full();
}

void PartitionedSink::write_content(FlowFile file, OutputFile& output) {
  if (settings_.output.layout == Layout::bytes) {
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
  const auto lines = as_lines_ ? std::string_view(records_) : file.content();
  output.add_lines(lines);
}

void PartitionedSink::tick(Session& session) {
  guarded(session, [&] {
    outputs_->close_due(session.now());
    commit(session, true);
  });
}

void PartitionedSink::flush(Session& session) {
  guarded(session, [&] { commit(session, !ending_); });
}

void PartitionedSink::finish(Session& session) {
  ending_ = true;
  guarded(session, [&] {
    outputs_->close_all();
    commit(session, false);
  });
}

void PartitionedSink::commit(Session& session, bool may_wait) {
  const auto dirty = outputs_->dirty_count();
  last_commit_ = std::min(last_commit_, session.now());  // the clock may have been set back
  if (may_wait && dirty > kFewFiles && held_bytes_ < dirty * kWorthSync &&
      session.now() - last_commit_ < settings_.sync_every.count())
    return;
  last_commit_ = session.now();
  const auto written = outputs_->commit(session);
  for (std::uint32_t i = 0; i < held_; ++i) session.drop(session.take_held(i), {});
  if (held_ != 0 && !written.empty()) {
    const auto more = written.size() == 1 ? "" : "and " + std::to_string(written.size() - 1) + " more";
    session.event("SEND", written.front(), more);
  }
  held_ = 0;
  held_bytes_ = 0;
}

void PartitionedSink::ask_for_tick(Session& session) {
  if (const auto next = outputs_->next_advance(session.now())) session.tick_at(*next);
  if (const auto due = outputs_->next_due()) session.tick_at(std::max(*due, session.now() + 1'000'000));
  if (held_ != 0 && settings_.sync_every.count() != 0)
    session.tick_at(std::max(last_commit_ + settings_.sync_every.count(), session.now() + 1'000'000));
}

}  // namespace weir::file
