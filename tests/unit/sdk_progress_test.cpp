#include <doctest/doctest.h>

#include "weir/progress.h"

namespace {

constexpr std::string_view kId = "flow/a/success/sink";

/// A data directory whose durable cursor is at 100 and that has handed over 120 FlowFiles.
weir::abi::Input input() {
  return {weir::to_text(kId), 100, 120};
}

std::string refusal(std::uint64_t stored) {
  try {
    weir::ExactlyOnceProgress progress(input(), stored, "table weir_progress of x.db");
  } catch (const weir::Misconfigured& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("a far side that knows of no progress begins at the durable cursor") {
  const weir::ExactlyOnceProgress progress(input(), std::nullopt, "x.db");
  CHECK(progress.next() == 100);
  CHECK(progress.has(99));
  CHECK_FALSE(progress.has(100));
}

TEST_CASE("between the cursor and the head it goes on after what the far side has") {
  weir::ExactlyOnceProgress progress(input(), 110, "x.db");
  CHECK(progress.has(109));
  CHECK_FALSE(progress.has(110));
  progress.add(110);
  CHECK(progress.has(110));
  CHECK(progress.next() == 111);
}

TEST_CASE("the cursor and the head themselves are between") {
  CHECK(refusal(100) == "accepted");
  CHECK(refusal(120) == "accepted");
}

TEST_CASE("above the head it stops: the data directory was restored") {
  const auto message = refusal(121);
  CHECK(message.find("table weir_progress of x.db") != std::string::npos);
  CHECK(message.find(kId) != std::string::npos);
  CHECK(message.find("121") != std::string::npos);
  CHECK(message.find("only 120") != std::string::npos);
}

TEST_CASE("below the cursor it stops: the far side was restored") {
  const auto message = refusal(99);
  CHECK(message.find("99") != std::string::npos);
  CHECK(message.find("before 100") != std::string::npos);
  CHECK(message.find("far side") != std::string::npos);
}

TEST_CASE("what was removed from the queue leaves a gap, what was done cannot be done again") {
  weir::ExactlyOnceProgress progress(input(), 100, "x.db");
  progress.add(105);
  CHECK(progress.next() == 106);
  CHECK_THROWS_AS(progress.add(105), std::logic_error);
}

TEST_CASE("a transaction that was lost takes its progress back") {
  weir::ExactlyOnceProgress progress(input(), 100, "x.db");
  progress.add(100);
  progress.set(100);
  CHECK_FALSE(progress.has(100));
}

}  // namespace
