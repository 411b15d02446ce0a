#include "source.h"

#include <fnmatch.h>

#include <algorithm>

#include "weir/errors.h"
#include "weir/schedule.h"

namespace weir::s3 {

namespace {

constexpr std::string_view kObjects = "k/";  ///< state: ObjectPosition, by key
constexpr std::string_view kObjectsEnd = "k0";
constexpr std::string_view kSessions = "n";           ///< state: how often it was changed
constexpr std::string_view kLast = "l";               ///< state: with track: last_key, that key
constexpr std::int64_t kDurableSoon = 1'000'000'000;  ///< ns, in which what was read is likely to be durable

std::string state_key(const std::string& key) {
  return std::string(kObjects) + key;
}

file::Format format_of(const std::string& name) {
  if (name == "whole") return file::Format::whole;
  if (name == "ndjson") return file::Format::ndjson;
  return name == "json_array" ? file::Format::json_array : file::Format::lines;
}

}  // namespace

S3Source::S3Source(SourceSettings settings) : settings_(std::move(settings)) {
  credentials_ = credentials_of(settings_);
  address_of(settings_);
  if (settings_.prefix.starts_with('/'))
    throw Misconfigured("prefix: keys do not begin with '/', and so prefix '" + settings_.prefix + "' finds nothing");
  options_.content.format = format_of(settings_.format);
  options_.content.each = settings_.emit == "each";
  options_.content.chunk_size = settings_.chunk_size;
  options_.content.max_line = settings_.max_line;
  options_.piece_size = settings_.piece_size;
  options_.unpack = settings_.decompress;
}

void S3Source::start(Context& context) {
  context_ = context;
  scheduled_ = is_scheduled(context);
  stopping_ = false;
  client_ = std::make_shared<Client>(settings_, credentials_, [this] { return stopping_.load(); });
  client_->list(settings_.prefix, "", "", 1);
  objects_ = context_.counter("s3_objects_read", "Objects read to their end.");
  bytes_ = context_.counter("s3_bytes_read", "Bytes of objects fetched.");
}

void S3Source::stop() {
  stopping_ = true;
}

void S3Source::poll(Session& session) {
  load(session);
  loaded_ = false;  // until this session has got through: else what was read ahead no longer fits the state
  work(session);
  loaded_ = true;
}

void S3Source::work(Session& session) {
  const bool only_to_delete = delete_at_ && session.now() >= *delete_at_;
  if (only_to_delete) delete_at_.reset();
  remove_done(session);
  const auto interval = settings_.interval.count();
  const bool set_back = next_listing_ && *next_listing_ - session.now() > interval;
  if (set_back || (scheduled_ && passed_ && !only_to_delete)) next_listing_.reset();
  const bool due = !next_listing_ || (!scheduled_ && session.now() >= *next_listing_);
  if (to_read_.empty() && (listing_ || due)) list_page(session);
  if (!to_read_.empty()) read_some(session);
  passed_ = to_read_.empty() && !listing_;
  // What was found at its time is read to the end: it does not wait for the next time of a schedule.
  if (!passed_) return scheduled_ ? session.tick_at(session.now()) : session.again();
  if (context_.until_idle() && awaiting_.empty()) return session.finished();
  if (!scheduled_) return session.tick_at(*next_listing_);
  if (awaiting_.empty()) return;
  delete_at_ = session.now() + std::min(interval, kDurableSoon);
  session.tick_at(*delete_at_);
}

void S3Source::load(Session& session) {
  const auto kept = session.state(kSessions);
  const auto sessions = kept ? std::stoull(std::string(*kept)) : 0;
  if (loaded_ && sessions == sessions_) return;
  positions_.clear();
  reader_.reset();
  to_read_.clear();
  awaiting_.clear();
  listing_ = false;
  page_.clear();
  next_listing_.reset();
  delete_at_.reset();
  session.scan_state(kObjects, kObjectsEnd, [&](std::string_view key, std::string_view value) {
    if (const auto position = ObjectPosition::decode(value)) positions_.emplace(key.substr(kObjects.size()), *position);
    return true;
  });
  if (settings_.after == "delete") {
    for (const auto& [key, position] : positions_) {
      if (position.done) to_read_.push_back({key, 0, position.etag, {}});  // what is left to do is to delete them
    }
  }
  const auto last = session.state(kLast);
  last_key_ = last ? std::string(*last) : std::string();
  sessions_ = sessions;
  loaded_ = true;
}

void S3Source::keep(Session& session, const std::string& key, const ObjectPosition& position) {
  positions_[key] = position;
  session.set_state(state_key(key), position.encode());
  session.set_state(kSessions, std::to_string(++sessions_));
}

void S3Source::forget(Session& session, const std::string& key) {
  positions_.erase(key);
  session.erase_state(state_key(key));
  session.set_state(kSessions, std::to_string(++sessions_));
}

bool S3Source::wanted(const Object& object) const {
  if (object.key.ends_with('/') && object.size == 0) return false;  // a folder's marker, as consoles make them
  return !settings_.match || ::fnmatch(settings_.match->c_str(), object.key.c_str(), 0) == 0;
}

/// One page a session, and its objects before the next page: a listing of millions takes no memory.
void S3Source::list_page(Session& session) {
  const bool ordered = settings_.track == "last_key";
  if (!listing_) {
    listing_ = sorted_ = true;
    page_.clear();
    listed_to_.clear();
    next_listing_ = session.now() + settings_.interval.count();
  }
  const auto page = client_->list(settings_.prefix, ordered ? last_key_ : std::string(), page_);
  sorted_ = sorted_ && std::is_sorted(page.objects.begin(), page.objects.end(),
                                      [](const Object& a, const Object& b) { return a.key < b.key; });
  for (const auto& object : page.objects) {
    if (wanted(object)) consider(object);
  }
  const auto end = page.objects.empty() ? listed_to_ : page.objects.back().key;
  if (!ordered) forget_missing(session, listed_to_, page.next.empty() ? std::string() : end, page);
  listed_to_ = end;
  page_ = page.next;
  listing_ = !page_.empty();
}

void S3Source::consider(const Object& object) {
  const auto at = positions_.find(object.key);
  if (at != positions_.end()) {
    if (at->second.done && at->second.etag == object.etag) return;
    if (at->second.etag != object.etag) at->second = {};  // another object now: from its beginning
  } else if (settings_.track == "last_key" && object.key <= last_key_) {
    return;
  }
  to_read_.push_back(object);
}

/// State does not grow for ever: keys between `from` and `to` that the page does not have are forgotten.
void S3Source::forget_missing(Session& session, const std::string& from, const std::string& to, const Listing& page) {
  if (!sorted_) return;
  std::set<std::string_view> present;
  for (const auto& object : page.objects) present.insert(object.key);
  std::vector<std::string> missing;
  for (auto at = positions_.upper_bound(from); at != positions_.end() && (to.empty() || at->first <= to); ++at) {
    if (!present.contains(at->first)) missing.push_back(at->first);
  }
  for (const auto& key : missing) forget(session, key);
}

/// One object a session: its FETCH event names it.
void S3Source::read_some(Session& session) {
  const auto object = to_read_.front();
  auto position = positions_[object.key];
  if (position.done && position.etag == object.etag) {
    to_read_.pop_front();
    return finish_object(session, object.key);
  }
  position.etag = object.etag;
  bool ended = true;
  const auto before = session.mark();
  try {
    if (!reader_)
      reader_ = std::make_unique<ObjectReader>(options_, client_, object, settings_.bucket, position.progress, bytes_);
    ended = reader_->read(session, [this](const std::string& message) { warn(message); });
    position.progress = reader_->progress();
  } catch (const Replaced& error) {
    session.undo(before);
    warn(std::string(error.what()) +
         (position.progress.offset == 0
              ? std::string()
              : ": what was read of it, up to byte " + std::to_string(position.progress.offset) + ", was emitted") +
         ". If there is another one under its key, that is read from its beginning");
    reader_.reset();
    to_read_.pop_front();
    return forget(session, object.key);
  } catch (const file::Broken& error) {
    warn(error.what());
  }
  position.done = ended;
  keep(session, object.key, position);
  if (!ended) return;
  objects_.add(1);
  reader_.reset();
  to_read_.pop_front();
  finish_object(session, object.key);
}

void S3Source::finish_object(Session& session, const std::string& key) {
  if (settings_.track == "last_key") {
    if (key > last_key_) session.set_state(kLast, last_key_ = key);
    if (settings_.after == "keep") return forget(session, key);  // nobody asks for it again
  }
  if (settings_.after != "delete") return;
  awaiting_.emplace(next_token_, key);
  session.when_durable(next_token_++);
}

void S3Source::durable(std::uint64_t token) {
  {
    const std::lock_guard lock(durable_lock_);
    durable_.push_back(token);
  }
  context_.wake();
}

/// Deletes what the durable epochs say is done with, unless it is another object by now.
void S3Source::remove_done(Session& session) {
  std::vector<std::uint64_t> tokens;
  {
    const std::lock_guard lock(durable_lock_);
    tokens.swap(durable_);
  }
  for (const auto token : tokens) {
    const auto at = awaiting_.find(token);
    if (at == awaiting_.end()) continue;
    const auto key = at->second;
    awaiting_.erase(at);
    const auto position = positions_.find(key);
    if (position == positions_.end()) continue;
    const auto head = client_->head(key);
    if (head && (head->hidden || head->etag == position->second.etag)) client_->remove(key);
    forget(session, key);
  }
}

}  // namespace weir::s3
