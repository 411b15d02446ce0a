#include "source.h"

#include <algorithm>
#include <chrono>

#include "json_text.h"
#include "url.h"

namespace weir::http {
namespace {

// State.
constexpr std::string_view kUrl = "url";            ///< that the rest belongs to
constexpr std::string_view kPage = "page";          ///< the page to fetch next, in the middle of a poll
constexpr std::string_view kNumber = "number";      ///< of that page, from 0
constexpr std::string_view kCursor = "cursor";      ///< kept from the poll before
constexpr std::string_view kEtag = "etag";          ///< of the last answer
constexpr std::string_view kModified = "modified";  ///< its Last-Modified

constexpr std::size_t kChunk = 1 * MiB;
/// A step waits no longer, so that a flow that is stopped does not wait for a slow server.
constexpr auto kPatience = std::chrono::milliseconds(250);

}  // namespace

/// Where the client's thread leaves a response.
struct HttpSource::Answer {
  std::mutex mutex;
  std::condition_variable there;
  std::optional<Response> response;

  void set(Response received) {
    {
      const std::lock_guard lock(mutex);
      response = std::move(received);
    }
    there.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex);
    return there.wait_for(lock, kPatience, [this] { return response.has_value(); });
  }
};

HttpSource::HttpSource(SourceSettings settings) : settings_(std::move(settings)) {
  check(settings_);
  uri_ = check_url(settings_.url);
  if (settings_.paging) check(*settings_.paging);
  if (const auto error = pointer_error(settings_.items); !error.empty())
    throw Misconfigured("items: '" + settings_.items + "': " + error);
  if (settings_.emit == "body" && !settings_.items.empty())
    throw Misconfigured("items: with emit: body nothing is taken out of the answer");
  if (settings_.emit == "body" && settings_.paging && settings_.paging->by == "page")
    throw Misconfigured("paging: by page ends with an empty page: it needs emit: records or each");
  if (settings_.method == "GET" && !settings_.body.empty()) throw Misconfigured("body: needs method: POST");
}

void HttpSource::start(Context& context) {
  context_ = context;
  requests_ = context_.counter("http_requests", "Requests made.");
  unchanged_ = context_.counter("http_unchanged", "Answers 304: nothing new.");
  failed_ = context_.counter("http_failed_requests", "Requests that failed or were refused.");
  client_ = std::make_unique<Client>(client_options(settings_));
}

void HttpSource::poll(Session& session) {
  if (ended_) return session.finished();
  if (session.now() < not_before_) return session.tick_at(not_before_);
  if (!answer_) request(session);
  if (!answer_->wait()) return session.tick_at(session.now());
  // Whatever becomes of this session: the state says what to ask for next.
  const auto answer = std::exchange(answer_, nullptr);
  take(session, *answer->response);
}

void HttpSource::read_state(Session& session) {
  if (session.state(kUrl).value_or(settings_.url) != settings_.url) {
    for (const auto key : {kUrl, kPage, kNumber, kCursor, kEtag, kModified}) session.erase_state(key);
  }
  number_ = 0;
  if (const auto page = session.state(kPage); page && settings_.paging) {
    page_ = *page;
    number_ = std::stoll(std::string(session.state(kNumber).value_or("0")));
  } else if (settings_.paging) {
    page_ = first_page(*settings_.paging, settings_.url,
                       std::string(settings_.paging->keep ? session.state(kCursor).value_or("") : ""));
  } else {
    page_ = settings_.url;
  }
  // What was allowed when it was kept need not be now.
  if (settings_.paging) check_page(settings_.url, page_, settings_.allowed_hosts);
}

void HttpSource::request(Session& session) {
  read_state(session);
  Request request{.method = settings_.method,
                  .url = page_,
                  .home = settings_.url,
                  .body = settings_.body,
                  .max_body = settings_.max_body};
  request.headers.assign(settings_.headers.begin(), settings_.headers.end());
  // What is unchanged on the first page says nothing of the others.
  if (settings_.conditional && !settings_.paging && settings_.method == "GET") {
    if (const auto etag = session.state(kEtag)) request.headers.emplace_back("If-None-Match", *etag);
    if (const auto modified = session.state(kModified)) request.headers.emplace_back("If-Modified-Since", *modified);
  }
  answer_ = std::make_shared<Answer>();
  requests_.add(1);
  client_->submit(std::move(request), [answer = answer_](Response response) { answer->set(std::move(response)); });
}

void HttpSource::take(Session& session, const Response& response) {
  if (response.outcome == Response::Outcome::answered && response.status == 304) {
    unchanged_.add(1);
    return end(session);
  }
  if (!response.ok()) {
    failed_.add(1);
    if (const auto pause = response.retry_after(); pause && response.passing())
      not_before_ = session.now() + pause->count();
    refuse(response);
  }
  const auto items = response.body.empty() ? 0 : emit(session, response);
  if (items > 0) session.event("FETCH", response.url, std::to_string(response.status));
  go_on(session, response, items);
}

void HttpSource::refuse(const Response& response) {
  using Outcome = Response::Outcome;
  const auto what = response.outcome == Outcome::answered ? uri_ + " answers " + response.describe() : response.error;
  if (response.passing()) throw Unavailable(what);
  if (response.outcome == Outcome::too_large) throw Misconfigured(what + " (max_body)");
  if (response.outcome != Outcome::answered) throw Misconfigured(what);
  if (response.status == 401 || response.status == 403) throw Misconfigured(what + "; check auth and headers");
  if (response.status == 404 || response.status == 410) throw Misconfigured(what + "; check the url");
  throw Misconfigured(what);
}

/// Makes FlowFiles of the answer. Returns how many items it has.
std::size_t HttpSource::emit(Session& session, const Response& response) {
  const auto create = [&](std::string_view content, std::size_t records) {
    const auto file = session.create();
    session.append(file, content);
    session.records(file, static_cast<std::uint32_t>(records));
    describe(session, file, response);
    session.transfer(file, 0);
  };
  const bool reads = settings_.emit != "body" || (settings_.paging && settings_.paging->by == "cursor");
  if (const auto error = reads ? json_error(response.body) : std::string(); !error.empty())
    throw Unavailable(response.url + " answers no JSON (" + error + "): " + response.describe());
  if (settings_.emit == "body") {
    create(response.body, 1);
    return 1;
  }
  const auto items = json_at(response.body, settings_.items);
  if (!items) throw Unavailable(response.url + " answers nothing at " + settings_.items + ": " + response.describe());
  std::size_t count = 0;
  std::string lines;
  std::size_t records = 0;
  const auto add = [&](std::string_view item) {
    ++count;
    append_on_one_line(lines, item);
    ++records;
    if (settings_.emit == "each") {
      create(lines, 1);
    } else {
      lines += '\n';
      if (lines.size() < kChunk) return;
      create(lines, records);
    }
    lines.clear();
    records = 0;
  };
  if (!json_elements(*items, add) && *items != "null") add(*items);
  if (records > 0) create(lines, records);
  return count;
}

void HttpSource::describe(Session& session, FlowFile file, const Response& response) const {
  session.set(file, "http.url", response.url);
  session.set(file, "http.status", std::to_string(response.status));
  if (settings_.paging) session.set(file, "http.page", std::to_string(number_));
  const auto pass_on = [&](std::string_view header, std::string_view attribute) {
    if (const auto* value = response.header(header)) session.set(file, attribute, *value);
  };
  pass_on("etag", "http.etag");
  pass_on("last-modified", "http.last_modified");
  if (settings_.emit == "body") {
    if (const auto* type = response.header("content-type"))
      session.set(file, "mime.type", type->substr(0, type->find(';')));
  } else {
    session.set(file, "mime.type", settings_.emit == "each" ? "application/json" : "application/x-ndjson");
  }
}

/// Remembers, with what the answer brought, what to ask for next.
void HttpSource::go_on(Session& session, const Response& response, std::size_t items) {
  session.set_state(kUrl, settings_.url);
  const auto keep = [&](std::string_view key, const std::string* value) {
    if (value != nullptr) session.set_state(key, *value);
    if (value == nullptr && session.state(key)) session.erase_state(key);
  };
  if (!settings_.paging) {
    keep(kEtag, response.header("etag"));
    keep(kModified, response.header("last-modified"));
    return end(session);
  }
  const auto& paging = *settings_.paging;
  auto next = response.body.empty() && paging.by == "cursor"
                  ? NextPage{}
                  : next_page(paging, settings_.url, page_, response, number_, items, settings_.allowed_hosts);
  if (paging.keep && next.cursor) session.set_state(kCursor, *next.cursor);
  if (next.url && number_ + 1 >= paging.max_pages) {
    context_.bulletin(Level::warning, uri_ + ": there are more than " + std::to_string(paging.max_pages) +
                                          " pages (paging.max_pages); this poll ends here");
    next.url.reset();
  }
  if (next.url) {
    session.set_state(kPage, *next.url);
    session.set_state(kNumber, std::to_string(number_ + 1));
    return session.tick_at(session.now());  // not by schedule
  }
  for (const auto key : {kPage, kNumber}) {
    if (session.state(key)) session.erase_state(key);
  }
  end(session);
}

void HttpSource::end(Session& session) {
  if (!context_.until_idle()) return;
  ended_ = true;
  session.finished();
}

void HttpSource::stop() {
  client_.reset();
}

}  // namespace weir::http
