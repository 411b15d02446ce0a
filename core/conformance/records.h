#pragma once
// The suite's records, and what may be wrong with those that arrive.

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace weir::conformance {

/// What is wrong with the numbers that arrived, of which 0 to count - 1 should be there; empty: nothing.
std::string objection(const std::vector<std::int64_t>& arrived, std::int64_t count, bool once, bool ordered);
/// Whether all of 0 to count - 1 are there.
bool complete(const std::vector<std::int64_t>& arrived, std::int64_t count);

/// The numbers in a file of lines; none while there is no file.
std::vector<std::int64_t> numbers_in(const std::filesystem::path& lines);
/// How many lines a file has so far.
std::int64_t lines_in(const std::filesystem::path& lines);

/// YAML of a processor, below its name.
std::string indented(const std::string& yaml);

/// The moments at which something is killed. The seed is printed; WEIR_SEED sets it.
class Chance {
 public:
  Chance();
  /// From `least` to `most`.
  std::int64_t between(std::int64_t least, std::int64_t most);

 private:
  std::minstd_rand random_;
};

}  // namespace weir::conformance
