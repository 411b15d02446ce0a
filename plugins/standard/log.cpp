#include "log.h"

#include <algorithm>

#include "printable.h"

namespace weir::standard {

namespace {

constexpr std::uint32_t kSuccess = 0;

Level level_of(std::string_view name) {
  if (name == "debug") return Level::debug;
  if (name == "warning") return Level::warning;
  if (name == "error") return Level::error;
  return Level::info;
}

}  // namespace

const Spec<LogSettings>& log_spec() {
  static const auto spec =
      Spec<LogSettings>("Log", "Writes what passes to the log, and passes it on unchanged.")
          .description(
              "A line a FlowFile: the message, the attributes and the beginning of the content. Line ends and other "
              "control characters are escaped, as is what is no UTF-8: data cannot forge a line of the log. A message "
              "that cannot be computed is logged with the reason; a FlowFile is never held up by its log.\n\n"
              "A line is written when the FlowFile passes, not when that is durable: after a crash it can appear "
              "twice. What passes is data, and the log shows it to whoever reads the log.")
          .example(
              "type: Log\n"
              "level: warning\n"
              "message: \"no such sensor: $(sensor_id)\"\n"
              "sample: 100\n")
          .property("level", &LogSettings::level,
                    {.help = "How loud.", .choices = {"debug", "info", "warning", "error"}})
          .property("message", &LogSettings::message,
                    {.help = "What the line begins with. Unset: connection, number and size.",
                     .example = "late by $(attr('late.by'))",
                     .kind = Kind::templated})
          .property("attributes", &LogSettings::attributes,
                    {.help = "A regular expression (RE2); attributes whose whole name matches are shown. Empty: none.",
                     .example = "mqtt\\..*|error\\..*"})
          .property("max_bytes", &LogSettings::max_bytes,
                    {.help = "How much of the content is shown; 0 B shows none.", .unit = Unit::bytes, .max = 1048576})
          .property("sample", &LogSettings::sample,
                    {.help = "Only every so many-th FlowFile is logged, the first among them.", .min = 1})
          .relationship({"success", "Everything, unchanged."})
          .reads("*", "Those that are shown.")
          .per_flowfile()
          .keeps_record();
  return spec;
}

Log::Log(LogSettings settings)
    : settings_(std::move(settings)),
      level_(level_of(settings_.level)),
      attributes_(settings_.attributes, re2::RE2::Quiet) {
  if (!attributes_.ok()) throw Misconfigured("attributes is no regular expression: " + attributes_.error());
}

void Log::start(Context& context) {
  context_ = context;
  if (settings_.message) message_ = Query(context).templated(*settings_.message).per_flowfile().prepare();
}

void Log::step(Batch batch, Session& session) {
  for (auto file : batch) {
    if (seen_++ % settings_.sample == 0) write(file, session);
  }
  everywhere_to_success_.resize(std::max<std::size_t>(everywhere_to_success_.size(), batch.size()), kSuccess);
  session.transfer_each(everywhere_to_success_);
}

void Log::append_message(FlowFile file, Session& session) {
  const auto failed = [this](std::string_view why) {
    line_ += "(message: ";
    append_printable(line_, why);
    line_ += ')';
  };
  try {
    message_.run(session, file, [&](const Row& row) {
      if (row.error.size > 0) return failed(view(row.error));
      append_printable(line_, view(row.values[0].text));
    });
  } catch (const Rejected& error) {
    failed(error.what());
  }
}

void Log::write(FlowFile file, Session& session) {
  line_.clear();
  if (message_) {
    append_message(file, session);
  } else {
    line_.append(session.connection()).append(":").append(std::to_string(file.sequence()));
    line_.append(", ").append(std::to_string(file.size())).append(" bytes");
  }
  for (const auto& attribute : file.attributes()) {
    const auto name = view(attribute.name);
    if (settings_.attributes.empty() || !re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), attributes_))
      continue;
    line_ += ' ';
    append_printable(line_, name);
    line_ += "='";
    append_printable(line_, view(attribute.value));
    line_ += '\'';
  }
  if (settings_.max_bytes > 0) {
    content_.resize(std::min(settings_.max_bytes, file.size()));
    content_.resize(file.read(0, content_.data(), content_.size()));
    line_ += " content: ";
    append_printable(line_, content_);
    if (file.size() > content_.size()) line_ += "…";
  }
  context_.log(level_, line_);
}

}  // namespace weir::standard
