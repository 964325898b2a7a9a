#include "tests/fuzz/driver/mutator.hpp"

#include <algorithm>
#include <sstream>

#include "rules/invariant.hpp"

namespace rollbackd::fuzz {
namespace {

constexpr std::size_t input_bytes_max = 16 * 1024;
constexpr std::int64_t changes_max = 4;
constexpr std::int64_t piece_bytes_max = 32;

// Bytes at which parsers turn.
constexpr std::string_view turning{"\0\t\n\r \"'\\/:;,.={}[]()<>%-+09azAZ\x7f\x80\xc3\xe2\xf0\xff",
                                   38};

std::string unescaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '\\') {
      out += text.front();
      text.remove_prefix(1);
    } else if (text.substr(1, 1) == "x") {
      INVARIANT(text.size() >= 4);
      out += static_cast<char>(std::stoi(std::string{text.substr(2, 2)}, nullptr, 16));
      text.remove_prefix(4);
    } else {
      INVARIANT(text.size() >= 2);
      out += text[1];
      text.remove_prefix(2);
    }
  }
  return out;
}

}  // namespace

Mutator::Mutator(std::vector<std::string> seeds, std::vector<std::string> words, std::uint64_t seed)
    : seeds_{std::move(seeds)}, words_{std::move(words)}, random_{seed} {
  INVARIANT(!seeds_.empty());
}

std::string Mutator::next() {
  std::string text = random_.pick(seeds_);
  for (std::int64_t n = random_.between(1, changes_max); n > 0; --n) {
    change(text);
  }
  text.resize(std::min(text.size(), input_bytes_max));
  return text;
}

// Its end included.
std::size_t Mutator::place_in(const std::string& text) {
  return static_cast<std::size_t>(random_.between(0, static_cast<std::int64_t>(text.size())));
}

void Mutator::change(std::string& text) {
  const std::size_t at = place_in(text);
  const auto length = static_cast<std::size_t>(random_.between(1, piece_bytes_max));
  switch (random_.between(0, 7)) {
    case 0:  // one bit
      if (at < text.size()) {
        text[at] = static_cast<char>(text[at] ^ (1 << random_.between(0, 7)));
      }
      break;
    case 1:
      text.insert(at, 1, turning[static_cast<std::size_t>(random_.next() % turning.size())]);
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:  // a piece again, elsewhere
      text.insert(place_in(text), std::string{text.substr(at, length)});
      break;
    case 4:  // the beginning of this one, the end of another
      text.resize(at);
      text += [&](const std::string& other) {
        return other.substr(place_in(other));
      }(random_.pick(seeds_));
      break;
    case 5:
      if (!words_.empty()) {
        text.insert(at, random_.pick(words_));
      }
      break;
    case 6:
      if (at < text.size()) {
        text[at] = static_cast<char>(random_.between(0, 255));
      }
      break;
    default:  // the same byte many times
      text.insert(at, length * length, text.empty() ? ' ' : text[at % text.size()]);
  }
}

std::vector<std::string> words_of(const std::string& dictionary) {
  std::vector<std::string> words;
  std::istringstream lines{dictionary};
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t begin = line.find('"');
    const std::size_t end = line.rfind('"');
    INVARIANT(begin != std::string::npos && end > begin);
    words.push_back(unescaped(std::string_view{line}.substr(begin + 1, end - begin - 1)));
  }
  return words;
}

}  // namespace rollbackd::fuzz
