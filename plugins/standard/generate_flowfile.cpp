#include "generate_flowfile.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weir::standard {

namespace {

constexpr std::uint32_t kSuccess = 0;
/// Larger content is made anew for each FlowFile: it may be on its way to a file, and then cannot be shared.
constexpr std::uint64_t kMostShared = 1 * MiB;
constexpr std::string_view kNext = "next";  ///< state: the next seq, decimal

bool is_template(std::string_view text) {
  return text.find("$(") != std::string_view::npos;
}

/// Fills with bytes that do not compress and are the same whenever the same seq is generated again (SplitMix64).
void fill_random(char* to, std::uint64_t size, std::uint64_t& state) {
  for (std::uint64_t done = 0; done < size;) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    const auto part = std::min<std::uint64_t>(size - done, sizeof z);
    std::memcpy(to + done, &z, part);
    done += part;
  }
}

}  // namespace

const Spec<GenerateSettings>& generate_flowfile_spec() {
  static const auto spec =
      Spec<GenerateSettings>("GenerateFlowFile", "Makes FlowFiles of its own: simulated readings, test data, load.")
          .description(
              "Every record has a number, `seq`, that counts from 0. Its content and attributes are computed from it "
              "by "
              "SQL, in which `now()` is the flow's clock and `random()` is allowed. The next `seq` is part of the "
              "durable state: after a restart, or a crash, the generator goes on where the flow's last epoch stood.\n\n"
              "`content`, `select` and `size` exclude one another; with none of them the content is empty. Content "
              "without `$(` is made once a session and shared by its FlowFiles.\n\n"
              "With `rate`, what could not be generated in time is caught up, at most one second's worth; more is "
              "counted in the metric `generate_missed_records` and not made up for. Without `rate` it generates as "
              "fast as back pressure lets it. After `count` it has finished, which ends a run with `--until-idle`.")
          .example(
              "type: GenerateFlowFile\n"
              "rate: 1000/s\n"
              "select: >\n"
              "  SELECT printf('s-%04d', seq % 1000) AS sensor_id, now() AS timestamp,\n"
              "         round(20 + 5 * sin(seq / 1000.0), 2) AS temperature\n"
              "  FROM seq\n")
          .property("rate", &GenerateSettings::rate,
                    {.help = "Records a second. Unset: as many as back pressure lets through.",
                     .example = "1000/s",
                     .unit = Unit::per_second,
                     .above = 0.0})
          .property("count", &GenerateSettings::count,
                    {.help = "Records in all, over every restart; then it has finished. Unset: without end.",
                     .example = "1000000"})
          .property("batch", &GenerateSettings::batch,
                    {.help = "The most FlowFiles made in one session.", .min = 1, .max = 100'000})
          .property("records_per_flowfile", &GenerateSettings::records_per_flowfile,
                    {.help = "Records in each FlowFile. More than one are written as newline-delimited, and the "
                             "attributes are those of the first.",
                     .min = 1,
                     .max = 1'000'000})
          .property("content", &GenerateSettings::content,
                    {.help = "The content, as text over `seq`.",
                     .example = "{\"id\": $(seq), \"temperature\": $(20 + seq % 10)}",
                     .kind = Kind::templated})
          .property("select", &GenerateSettings::select,
                    {.help = "A SELECT over `seq`; each row of its result is a JSON object. A seq without a row is "
                             "left out; one may also have several.",
                     .example = "SELECT seq AS id, random() % 100 AS value FROM seq",
                     .kind = Kind::select})
          .property("size", &GenerateSettings::size,
                    {.help = "Content of this many bytes, up to any size: see `fill`.",
                     .example = "4GiB",
                     .unit = Unit::bytes})
          .property("fill", &GenerateSettings::fill,
                    {.help = "What content of a given `size` is made of: `random` bytes, which do not compress and are "
                             "the same for the same seq, or `zero` bytes.",
                     .choices = {"random", "zero"}})
          .property("attributes", &GenerateSettings::attributes,
                    {.help = "Attributes to set, as text over `seq`.",
                     .example = "{sensor: \"s-$(seq % 10)\"}",
                     .kind = Kind::templated})
          .relationship({"success", "What was generated."})
          .state("The next seq.")
          .source()
          .generator();
  return spec;
}

GenerateFlowFile::GenerateFlowFile(GenerateSettings settings) : settings_(std::move(settings)) {
  const int contents = (settings_.content ? 1 : 0) + (settings_.select ? 1 : 0) + (settings_.size ? 1 : 0);
  if (contents > 1) throw Misconfigured("content, select and size exclude one another: keep one of them");
  if (settings_.size && settings_.records_per_flowfile > 1)
    throw Misconfigured("records_per_flowfile needs content or select: bytes of a given size are no records");
  templated_content_ = settings_.content && is_template(*settings_.content);
  for (const auto& attribute : settings_.attributes) templated_attribute_.push_back(is_template(attribute.second));
  if (settings_.rate) pace_.emplace(*settings_.rate, settings_.records_per_flowfile);
}

void GenerateFlowFile::start(Context& context) {
  const bool computed_attributes =
      std::find(templated_attribute_.begin(), templated_attribute_.end(), true) != templated_attribute_.end();
  if (settings_.select || templated_content_ || computed_attributes) {
    Query query(context);
    query.generator();
    if (templated_content_) query.templated(*settings_.content);
    for (std::size_t i = 0; i < settings_.attributes.size(); ++i) {
      if (templated_attribute_[i]) query.templated(settings_.attributes[i].second);
    }
    if (settings_.select) query.select(*settings_.select);
    rows_ = query.prepare();
  }
  if (context.until_idle() && !settings_.count)
    context.bulletin(Level::warning, "without `count` this generator never ends, and so neither does --until-idle");
  position_metric_ = context.gauge("generate_next_seq", "The seq that the next record will get.");
  missed_metric_ = context.counter("generate_missed_records",
                                   "Records that the rate asked for and that lay too far back to be caught up.");
}

std::uint64_t GenerateFlowFile::position(Session& session) const {
  const auto kept = session.state(kNext);
  std::uint64_t next = 0;
  if (kept) std::from_chars(kept->data(), kept->data() + kept->size(), next);
  return next;
}

void GenerateFlowFile::poll(Session& session) {
  const auto first = position(session);
  const std::uint64_t end = settings_.count.value_or(~std::uint64_t{0});
  if (first >= end) return session.finished();

  auto count = std::min<std::uint64_t>(end - first, std::uint64_t{settings_.batch} * settings_.records_per_flowfile);
  if (pace_) {
    const auto due = pace_->at(session.now(), first);
    missed_metric_.add(static_cast<double>(due.missed));
    count = std::min(count, due.records);
  }
  auto next = first;
  if (count > 0) {
    session.event("CREATE", "");
    next = rows_ ? make_from_rows(session, first, count) : make_alike(session, first, count);
    session.set_state(kNext, std::to_string(next));
    position_metric_.set(static_cast<double>(next));
  }
  if (next >= end) return session.finished();
  if (!pace_ || pace_->at(session.now(), next).records > 0) return session.again();
  session.tick_at(pace_->wake(session.now(), next));
}

std::uint64_t GenerateFlowFile::make_alike(Session& session, std::uint64_t first, std::uint64_t count) {
  const bool shareable = !settings_.size || settings_.fill == "zero";
  std::optional<FlowFile> original;
  std::uint64_t size = 0;
  std::uint64_t seq = first;
  while (seq < first + count) {
    const auto records =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(settings_.records_per_flowfile, first + count - seq));
    const auto file = session.create();
    if (original && records == settings_.records_per_flowfile) {
      if (size > 0) session.share(file, *original, 0, size);
    } else if (records == 1 && settings_.records_per_flowfile == 1) {
      fill(session, file, seq);
    } else {
      for (std::uint32_t i = 0; i < records; ++i) {
        session.append(file, settings_.content.value_or(""));
        session.append(file, "\n");
      }
    }
    if (shareable && !original && records == settings_.records_per_flowfile) {
      size = file.size();
      if (size <= kMostShared) original = file;
    }
    if (records != 1) session.records(file, records);
    set_attributes(session, file, nullptr);
    session.transfer(file, kSuccess);
    seq += records;
    if (session.over_budget()) break;
  }
  return seq;
}

std::uint64_t GenerateFlowFile::make_from_rows(Session& session, std::uint64_t first, std::uint64_t count) {
  const bool lines = settings_.records_per_flowfile > 1;
  std::optional<FlowFile> open;
  std::uint32_t records = 0;
  const auto close = [&] {
    if (records != 1) session.records(*open, records);
    session.transfer(*open, kSuccess);
    open.reset();
    records = 0;
  };
  const auto visit = [&](const Row& row) {
    if (row.error.size > 0) throw Misconfigured(std::string(view(row.error)));
    if (!open) {
      open = session.create();
      set_attributes(session, *open, row.values + (templated_content_ ? 1 : 0));
    }
    if (settings_.select) {
      session.append(*open, view(row.output));
    } else if (templated_content_) {
      session.append(*open, view(row.values[0].text));
    } else if (settings_.content) {
      session.append(*open, *settings_.content);
    }
    if (lines) session.append(*open, "\n");
    if (++records == settings_.records_per_flowfile) close();
  };

  // Content of a given size cannot be computed in the visit: it needs its own seq, and a look at the budget.
  if (settings_.size) {
    auto seq = first;
    while (seq < first + count && !session.over_budget()) {
      rows_.generate(seq, 1, [&](const Row& row) {
        if (row.error.size > 0) throw Misconfigured(std::string(view(row.error)));
        const auto file = session.create();
        fill(session, file, seq);
        set_attributes(session, file, row.values);
        session.transfer(file, kSuccess);
      });
      ++seq;
    }
    return seq;
  }

  // The budget is looked at between ever larger slices: one execution of the SQL serves a whole slice.
  auto seq = first;
  for (auto slice = std::max<std::uint64_t>(1, 64 / settings_.records_per_flowfile); seq < first + count; slice *= 2) {
    const auto n = std::min<std::uint64_t>(slice * settings_.records_per_flowfile, first + count - seq);
    rows_.generate(seq, n, visit);
    if (open) close();
    seq += n;
    if (session.over_budget()) break;
  }
  return seq;
}

void GenerateFlowFile::set_attributes(Session& session, FlowFile file, const Value* computed) {
  for (std::size_t i = 0; i < settings_.attributes.size(); ++i) {
    const auto& [name, text] = settings_.attributes[i];
    session.set(file, name, templated_attribute_[i] ? view((computed++)->text) : std::string_view(text));
  }
}

void GenerateFlowFile::fill(Session& session, FlowFile file, std::uint64_t seq) {
  if (!settings_.size) return session.append(file, settings_.content.value_or(""));
  // In pieces, so that content beyond memory can go to its file while it is made.
  constexpr std::uint64_t kPiece = 1 * MiB;
  std::uint64_t random = seq * 0x2545f4914f6cdd1dU;
  for (std::uint64_t done = 0; done < *settings_.size;) {
    const auto part = std::min(kPiece, *settings_.size - done);
    char* to = session.append(file, part);
    if (settings_.fill == "zero") {
      std::memset(to, 0, part);
    } else {
      fill_random(to, part, random);
    }
    done += part;
  }
}

}  // namespace weir::standard
