#include "records/update_record.h"

#include "records/statements.h"
#include "weir/split.h"

namespace weir::records {

namespace {

constexpr std::uint32_t kSuccess = 0;

}  // namespace

const Spec<UpdateSettings>& update_spec() {
  static const auto spec =
      Spec<UpdateSettings>{"UpdateRecord", "Sets and removes fields of records, and leaves every other byte as it was."}
          .description(
              "Every expression sees the record as it came in. A field that is there gets its new value in its place, "
              "a new one comes last; a value that is NULL is written as null. A field copied from another keeps its "
              "digits. Records that cannot be read or computed go to `failure` with their original bytes; the rest "
              "proceed.\n\n"
              "What is declared of the record holds behind it too, but for what it changes: a field copied from "
              "another has that one's declaration, one that is computed may be of any type, a removed one is there "
              "no more. `record:` declares what leaves it otherwise.")
          .example("set:\n  fahrenheit: temperature * 1.8 + 32\nremove: [debug]")
          .property("set", &UpdateSettings::set,
                    {.help = "Field to its new value, an SQL expression over the record.",
                     .example = "fahrenheit: temperature * 1.8 + 32",
                     .kind = Kind::expression})
          .property("remove", &UpdateSettings::remove, {.help = "Fields to remove.", .example = "[debug]"})
          .relationship({"success", "The records with the change made."})
          .relationship({"failure", "Records that cannot be read or computed, with the reason in error.message."})
          .edits_record()
          .concurrent();
  return spec;
}

struct UpdateRecord::State {
  StatementPool statements;
};

UpdateRecord::UpdateRecord(UpdateSettings settings)
    : settings_(std::move(settings)), state_(std::make_unique<State>()) {
  if (settings_.set.empty() && settings_.remove.empty()) throw Misconfigured("nothing to do: give set, remove or both");
}
UpdateRecord::~UpdateRecord() = default;

void UpdateRecord::start(Context& context) {
  state_->statements.start([this, context]() mutable {
    Query query(context);
    for (const auto& [field, sql] : settings_.set) query.set(field, sql);
    for (const auto& field : settings_.remove) query.remove(field);
    return query.prepare();
  });
}

void UpdateRecord::step(Batch batch, Session& session) {
  state_->statements.with([&](Statement& statement) {
    // An empty array stays one.
    RecordSplit split(session, batch, [&](FlowFile file) { session.transfer(file, kSuccess); });
    statement.run(session, batch, [&](const Row& row) {
      split.begin(row);
      if (row.error.size != 0) return split.reject(view(row.error));
      if (view(row.output) == view(row.json)) return split.route(kSuccess);
      split.route(kSuccess, view(row.output));
    });
    split.end();
  });
}

}  // namespace weir::records
