#include "file_sink.h"

#include <algorithm>

#include "plugins/common/output_name.h"
#include "weir/errors.h"

namespace weir::file {

namespace {

PartitionedSettings partitioned(const FileSinkSettings& s) {
  PartitionedSettings p;
  p.path = s.path;
  p.generation = s.generation;
  p.header = s.header;
  p.format = s.format;
  p.each = s.mode == "file_each";
  p.rolls = s.roll_size || s.roll_count || s.roll_age;
  p.output = {.layout = layout_of(s.format, inspect(p).per_record),
              .newline = s.separator == "newline" && !p.each,
              .compression = compression_named(s.compression),
              .level = s.level};
  p.sync_every = s.sync_every;
  return p;
}

void check(const FileSinkSettings& s) {
  const auto path = inspect(s.path);
  const bool per_record = inspect(partitioned(s)).per_record;
  const bool each = s.mode == "file_each";
  if (s.path.empty() || s.path.back() == '/')
    throw Misconfigured("path must name a file, not a directory: '" + s.path + "'");
  if (std::any_of(s.path.begin(), s.path.end(), [](unsigned char c) { return c < 0x20 && c != '\n' && c != '\t'; }) ||
      (!path.computed && s.path.find('\n') != std::string::npos))
    throw Misconfigured("path has control characters in it");
  if (each && per_record)
    throw Misconfigured(
        "mode: file_each writes a file a FlowFile: its path can use $(attr('…')), but no record's fields");
  if (!s.header.empty() && s.format == "json_array") throw Misconfigured("format: json_array: an array has no header");
  if (!s.generation.empty()) {
    if (each) throw Misconfigured("mode: file_each never replaces a file: generation does not apply");
    if (s.roll_size || s.roll_count || s.roll_age)
      throw Misconfigured(
          "generation: a path has one file, which a higher generation replaces: roll_size, roll_count and roll_age do "
          "not apply");
    if (s.format == "json_array" &&
        compression_named(s.compression).value_or(compression_of(s.path)) != Compression::none)
      throw Misconfigured(
          "generation: a compressed array cannot be gone on with once it is complete: leave out the compression, or "
          "say "
          "format: ndjson");
  }
  if (each && (s.roll_size || s.roll_count || s.roll_age))
    throw Misconfigured("mode: file_each writes a file a FlowFile: roll_size, roll_count and roll_age do not apply");
}

}  // namespace

FileSink::FileSink(FileSinkSettings settings) : PartitionedSink(partitioned(settings)) {
  check(settings);
  const auto& s = settings;
  const auto p = partitioned(s);
  options_.file = p.output;
  options_.number_first = p.rolls;
  const auto compression = p.output.compression.value_or(compression_of(s.path));
  options_.generations = !s.generation.empty();
  options_.in_place = compression == Compression::none && !options_.number_first && !p.each && !options_.generations &&
                      p.output.layout != Layout::array;
  options_.roll_size = s.roll_size.value_or(0);
  options_.roll_count = s.roll_count.value_or(0);
  options_.roll_age = s.roll_age.value_or(Duration{0});
  options_.close_idle = s.close_idle;
  options_.max_open = s.max_open;
}

std::unique_ptr<Outputs> FileSink::open(Context& context) {
  auto files = std::make_unique<OutputSet>(options_, context.folder(), durable_token_, [this](const std::string& text) {
    context_.bulletin(Level::warning, text);
  });
  files_ = files.get();
  return files;
}

std::string FileSink::objection_to_path(std::string_view path, std::size_t fixed) const {
  return objection_to(path, fixed);
}

void FileSink::durable(std::uint64_t token) {
  auto known = durable_token_.load();
  while (known < token && !durable_token_.compare_exchange_weak(known, token)) {
  }
  context_.wake();
}

void FileSink::stop() {
  try {
    if (files_) files_->rename_complete(nullptr);
  } catch (const std::exception& error) {
    context_.bulletin(Level::warning, std::string(error.what()) + ": it is done at the next start");
  }
  files_ = nullptr;
  close();
}

}  // namespace weir::file
