#include "lane_delivery.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "plugins/common/posix_file.h"
#include "weir/errors.h"

namespace weir::s3 {

namespace {

constexpr std::uint64_t kMostParts = 10'000;
constexpr const char* kOwner = "weir-object";       ///< metadata of an object: whose it is
constexpr auto kToAbort = std::chrono::seconds(1);  ///< for all, at the end: a lane has to end within seconds
constexpr int kMostTries = 5;                       ///< at a claim, for objects that the store loses

/// They are to be sent again.
struct ObjectsLost : Unavailable {
  using Unavailable::Unavailable;
};

}  // namespace

LaneDelivery::LaneDelivery(LaneDeliveryOptions options, std::shared_ptr<CredentialChain> credentials, Context context,
                           Cancelled given_up)
    : options_(std::move(options)),
      credentials_(std::move(credentials)),
      context_(context),
      given_up_(std::move(given_up)),
      objects_(context_.counter("s3_objects_written", "Objects uploaded.")),
      bytes_(context_.counter("s3_bytes_written", "Bytes of the objects uploaded.")),
      copies_(options_.progress_key + ".copies", own_options(options_.upload.object, "application/octet-stream"),
              context_),
      label_(random_name(8)) {
  if (!options_.progress_key.empty()) progress_.emplace(client(0), options_.progress_key, options_.upload.object);
}

LaneDelivery::~LaneDelivery() {
  if (staged_.empty()) return;
  const auto until = std::chrono::steady_clock::now() + kToAbort;
  std::string why;
  try {
    Client client(options_.upload.connection, credentials_,
                  [until] { return std::chrono::steady_clock::now() > until; });
    for (const auto& staged : staged_) {
      try {
        abandon(client, staged);
      } catch (const std::exception& error) {
        why = error.what();
      }
    }
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!why.empty())
    context_.log(Level::info, "what was begun is left to the bucket's rules, or to who has the lane next: " + why);
}

/// What cannot count.
void LaneDelivery::abandon(Client& client, const Staged& staged) const {
  const auto& object = staged.object;
  if (staged.may_count) return;
  if (!object.upload.empty()) client.abort_upload(object.key, object.upload);
  if (staged.uploads_left.empty()) copies_.remove(client, object.copy);  // else it was listed with an earlier one
}

Client& LaneDelivery::client(std::size_t number) {
  while (clients_.size() <= number)
    clients_.push_back(std::make_unique<Client>(options_.upload.connection, credentials_, given_up_));
  return *clients_[number];
}

std::string LaneDelivery::owner_of(const StagedObject& object) const {
  return options_.owner + '/' + label_ + '/' + std::to_string(object.number);
}

std::int64_t LaneDelivery::claim() {
  if (!progress_) return 0;
  progress_->claim();
  const auto state = progress_->state();
  label_ = state.label;
  next_number_ = state.number;
  keeps_copies_ = options_.keep_copies == KeepCopies::always ||
                  (options_.keep_copies == KeepCopies::automatic && client(0).server().starts_with("MinIO"));
  for (const auto& object : state.objects)
    staged_.push_back({.object = object, .copied = true, .whole = true, .may_count = true});
  next_ = state.next;
  counts_ = true;
  finish_left();
  remove_left_copies();
  return state.next;
}

void LaneDelivery::remove_left_copies() {
  try {
    copies_.remove_left(client(0), progress_->state());
  } catch (const std::exception& error) {
    const auto text = std::string("copies that a Weir has left, if any, stay in the bucket: ") + error.what();
    keeps_copies_ ? context_.bulletin(Level::warning, text) : context_.log(Level::info, text);
  }
}

/// Of owners before.
void LaneDelivery::finish_left() {
  for (int tries = 0;; ++tries) {
    try {
      if (finish()) return;
      throw Unavailable(client(0).uri(options_.progress_key) + ": another Weir has claimed the lane meanwhile");
    } catch (const ObjectsLost& lost) {
      if (tries == kMostTries) throw;
      context_.bulletin(Level::warning, lost.what());
    }
  }
}

void LaneDelivery::begin(std::vector<LaneObject> objects, std::int64_t next, std::uint64_t next_number) {
  for (auto& object : objects)
    staged_.push_back({.object = {.number = object.number, .key = std::move(object.key)},
                       .file = std::move(object.file),
                       .copied = !keeps_copies_});
  next_ = std::max(next, next_);
  next_number_ = next_number;
  counts_ = false;
}

bool LaneDelivery::finish() {
  if (!counts_ || lost() != nullptr) {
    counts_ = false;
    for_each([this](Client& client, Staged& staged) { stage(client, staged); });
    if (!store()) return false;
    counts_ = true;
  }
  for_each([this](Client& client, Staged& staged) { end(client, staged); });
  if (const auto* one = lost()) throw ObjectsLost(one->why_lost + "; the object is sent again");
  staged_.clear();
  return true;
}

bool LaneDelivery::store() {
  std::vector<StagedObject> objects;
  for (auto& staged : staged_) {
    staged.may_count = true;
    if (!staged.ended) objects.push_back(staged.object);
  }
  if (!progress_) return true;
  return progress_->store(next_, next_number_, objects);
}

void LaneDelivery::for_each(const std::function<void(Client&, Staged&)>& work) {
  const auto count = std::min<std::size_t>(std::max(options_.upload.threads, 1U), staged_.size());
  if (count > 0) client(count - 1);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failed;
  const auto run = [&](std::size_t number) {
    try {
      for (auto at = next++; at < staged_.size(); at = next++) work(*clients_[number], staged_[at]);
    } catch (...) {
      next = staged_.size();
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < count; ++i) threads.emplace_back(run, i);
  if (count > 0) run(0);
  threads.clear();
  if (failed) std::rethrow_exception(failed);
}

/// Gives the store all parts of an object that it does not have yet.
void LaneDelivery::stage(Client& client, Staged& staged) {
  if (staged.whole) return;
  auto& object = staged.object;
  auto options = options_.upload.object;
  options.headers.emplace_back(std::string("x-amz-meta-") + kOwner, owner_of(object));
  const auto file = file::open_file(staged.file, O_RDONLY);
  const auto size = static_cast<std::uint64_t>(file::status(file, staged.file).st_size);
  const auto part_size = std::max(options_.upload.part_size, (size + kMostParts - 1) / kMostParts);
  const auto part = [&](std::size_t number) {
    const auto at = (number - 1) * part_size;
    return Body{.file = file.get(), .offset = at, .size = std::min(part_size, size - at)};
  };
  const auto parts = static_cast<unsigned>(std::max<std::uint64_t>(1, (size + part_size - 1) / part_size));
  auto& copy = object.copy;
  if (!staged.copied && copy.name.empty()) copy.name = LaneCopies::name_for(progress_->state(), object.number);
  while (!staged.copied && copy.pieces < parts) copies_.add(client, copy, part(copy.pieces + 1));
  staged.copied = true;
  if (object.upload.empty()) object.upload = client.begin_upload(object.key, options);
  try {
    while (object.parts.size() < parts) {
      const auto number = static_cast<unsigned>(object.parts.size() + 1);
      object.parts.push_back(client.put_part(object.key, object.upload, number, part(number), options));
    }
  } catch (const UploadGone&) {
    object.upload.clear();
    object.parts.clear();
    throw;
  }
  staged.whole = true;
  bytes_.add(static_cast<double>(size));
}

LaneDelivery::Found LaneDelivery::look(Client& client, const StagedObject& object) const {
  const auto head = client.head(object.key);
  if (!head) return Found::nothing;
  if (head->hidden) return Found::hidden;
  return head->meta(kOwner) == owner_of(object) ? Found::ours : Found::others;
}

/// In an upload of its own, which has to be listed before it counts. False: nobody has it any more.
bool LaneDelivery::send_again(Client& client, Staged& staged, const std::string& why) {
  auto& object = staged.object;
  if (staged.file.empty()) {
    const auto file = context_.folder() + "/objects/" + std::to_string(object.number);
    if (!copies_.fetch(client, object.copy, file)) return false;
    staged.file = file;
  }
  staged.uploads_left.push_back(std::exchange(object.upload, {}));
  object.parts.clear();
  staged.whole = staged.may_count = false;
  staged.why_lost = why;
  return true;
}

/// An upload can be ended once: that it is gone says that somebody has, or that the store has lost it.
bool LaneDelivery::upload_gone(Client& client, Staged& staged) {
  const auto found = look(client, staged.object);
  if (found == Found::ours) return true;
  const auto what = "the upload of " + client.uri(staged.object.key) + " is gone, and the object is " +
                    (found == Found::nothing  ? "not there"
                     : found == Found::hidden ? "hidden from these credentials"
                                              : "another one");
  if (send_again(client, staged, what)) return false;
  if (was_ended(staged) || found == Found::hidden || (found == Found::others && options_.exact_keys)) return true;
  context_.bulletin(Level::warning, what +
                                        ": either somebody has removed it already, or a rule of the bucket has aborted "
                                        "the upload, or the store has lost it, and the object is lost");
  return true;
}

bool LaneDelivery::parts_gone(Client& client, Staged& staged, const std::string& why) {
  const auto& object = staged.object;
  const bool ours = look(client, object) == Found::ours;
  if (!ours && send_again(client, staged, why)) return false;
  if (!ours && !was_ended(staged))
    throw Unavailable(
        why +
        ". The Weir that has sent them has the lane no longer, so what the object had is only where it came "
        "from. To go on without it, abort the upload: aws s3api abort-multipart-upload --bucket " +
        options_.upload.connection.bucket + " --key '" + object.key + "' --upload-id '" + object.upload + "'");
  staged.uploads_left.push_back(object.upload);
  return true;
}

/// By who had it before: its copy, which is not there, goes only after that.
bool LaneDelivery::was_ended(const Staged& staged) {
  if (staged.object.copy.pieces == 0) return false;
  context_.log(Level::info, "s3://" + options_.upload.connection.bucket + '/' + staged.object.key +
                                " was complete before, and somebody has removed it since, with its copy");
  return true;
}

const LaneDelivery::Staged* LaneDelivery::lost() const {
  const auto one = std::ranges::find_if(staged_, [](const auto& staged) { return !staged.whole; });
  return one == staged_.end() ? nullptr : &*one;
}

void LaneDelivery::end(Client& client, Staged& staged) {
  if (staged.ended) return;
  const auto& object = staged.object;
  try {
    const auto result =
        client.end_upload(object.key, object.upload, object.parts, options_.upload.object, !options_.exact_keys);
    if (result == Client::Put::condition_unknown)
      throw Misconfigured(client.uri(object.key) + ": the store does not know If-None-Match for uploads in parts");
    if (result == Client::Put::exists) {
      if (const auto found = look(client, object); found == Found::nothing || found == Found::others)
        throw Unavailable(client.uri(object.key) +
                          " belongs to somebody else: what this sink has for it is uploaded, and waits until that is "
                          "moved away");
      staged.uploads_left.push_back(object.upload);
    }
    objects_.add(1);
  } catch (const UploadGone&) {
    if (!upload_gone(client, staged)) return;
  } catch (const PartsGone& gone) {
    if (!parts_gone(client, staged, gone.what())) return;
  }
  staged.ended = true;
  clean_up(client, staged);
}

void LaneDelivery::clean_up(Client& client, Staged& staged) {
  if (!staged.file.empty()) ::unlink(staged.file.c_str());
  copies_.remove_used(client, staged.object.copy);
  try {
    for (const auto& upload : staged.uploads_left) client.abort_upload(staged.object.key, upload);
  } catch (const std::exception& error) {
    context_.log(Level::info,
                 std::string("uploads that nobody will end are left to the bucket's rules: ") + error.what());
  }
}

}  // namespace weir::s3
