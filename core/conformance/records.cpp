#include "conformance/records.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "weir/conformance.h"

namespace weir::conformance {

namespace {

constexpr std::size_t kNamed = 5;  ///< numbers that a complaint lists

std::string named(const std::vector<std::int64_t>& numbers) {
  std::string text = std::to_string(numbers.size()) + " (";
  for (std::size_t i = 0; i < std::min(numbers.size(), kNamed); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
  return text + (numbers.size() > kNamed ? ", …)" : ")");
}

std::vector<int> counted(const std::vector<std::int64_t>& arrived, std::int64_t count) {
  std::vector<int> times(static_cast<std::size_t>(count));
  for (const auto n : arrived) {
    if (n < 0 || n >= count) throw Broken("a record arrived that nobody sent: number " + std::to_string(n));
    ++times[static_cast<std::size_t>(n)];
  }
  return times;
}

}  // namespace

std::string record(std::int64_t number) {
  return "{\"n\":" + std::to_string(number) + ",\"key\":\"k" + std::to_string(number % 7) +
         "\",\"pad\":\"forty characters that make it look real....\"}";
}

std::int64_t number_of(std::string_view record) {
  std::int64_t number = 0;
  const auto at = record.find("\"n\":");
  const auto digits = at == std::string_view::npos ? record.size() : record.find_first_not_of(" \"", at + 4);
  if (digits < record.size() &&
      std::from_chars(record.data() + digits, record.data() + record.size(), number).ec == std::errc{})
    return number;
  throw Broken("what arrived is no record of the suite: " + std::string(record.substr(0, 200)));
}

std::string objection(const std::vector<std::int64_t>& arrived, std::int64_t count, bool once, bool ordered) {
  const auto times = counted(arrived, count);
  std::vector<std::int64_t> missing;
  std::vector<std::int64_t> twice;
  for (std::int64_t n = 0; n < count; ++n) {
    if (times[static_cast<std::size_t>(n)] == 0) missing.push_back(n);
    if (times[static_cast<std::size_t>(n)] > 1) twice.push_back(n);
  }
  if (!missing.empty()) return "of " + std::to_string(count) + " records are lost: " + named(missing);
  if (once && !twice.empty()) return "of " + std::to_string(count) + " records came more than once: " + named(twice);
  if (!ordered) return {};
  // What comes again comes in order again: between two records, order is that of their first arrivals.
  std::vector<bool> seen(static_cast<std::size_t>(count));
  std::int64_t last = -1;
  for (const auto n : arrived) {
    if (seen[static_cast<std::size_t>(n)]) continue;
    seen[static_cast<std::size_t>(n)] = true;
    if (n < last) return "record " + std::to_string(n) + " came behind " + std::to_string(last);
    last = n;
  }
  return {};
}

bool complete(const std::vector<std::int64_t>& arrived, std::int64_t count) {
  return std::ranges::none_of(counted(arrived, count), [](int times) { return times == 0; });
}

std::vector<std::int64_t> numbers_in(const std::filesystem::path& lines) {
  std::vector<std::int64_t> numbers;
  std::ifstream file(lines);
  // A line without its end is still being written, or was when Weir was killed.
  for (std::string line; std::getline(file, line) && !file.eof();) numbers.push_back(number_of(line));
  return numbers;
}

std::int64_t lines_in(const std::filesystem::path& lines) {
  std::ifstream file(lines, std::ios::binary);
  return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
}

std::string indented(const std::string& yaml) {
  std::istringstream text(yaml);
  std::string result;
  for (std::string line; std::getline(text, line);) result += "    " + line + '\n';
  return result;
}

Chance::Chance() {
  const char* given = std::getenv("WEIR_SEED");
  const auto seed = given == nullptr ? std::random_device{}() : static_cast<unsigned>(std::atoi(given));
  std::printf("seed %u\n", seed);
  random_.seed(seed);
}

std::int64_t Chance::between(std::int64_t least, std::int64_t most) {
  return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
}

namespace detail {

void say_skipped(const Missing& why) {
  if (*why.what() != '\0') std::printf("SKIPPED: %s\n", why.what());
}

}  // namespace detail
}  // namespace weir::conformance
