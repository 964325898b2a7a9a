# cmake -DOUTPUT=<file.cpp> -DHEADER=<engine/….hpp> -DFUNCTION=<name> "-DFILES=<file>;..." -P embed.cmake
#
# Writes the files into a C++ source, in order of name, behind the function of that header: the SQL, and
# the pages of the HTTP server. Raw string literals keep the text readable there; compilers need not accept
# one beyond 64 KiB, so each is cut at a line's end well before.

set(delimiter "embedded_text")
set(chunk_bytes 8000)

# Byte by byte, so that 010 comes before 020 everywhere. The files are arguments, not globbed here: a
# changed list is a changed command, which is how Ninja notices that one was removed.
list(SORT FILES)

set(entries "")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  file(READ "${file}" rest)
  string(FIND "${rest}" ")${delimiter}\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} contains )${delimiter}\": choose another delimiter in sql/embed.cmake")
  endif()
  string(APPEND entries "    {\"${name}\",\n     ")
  string(LENGTH "${rest}" length)
  while(length GREATER chunk_bytes)
    string(SUBSTRING "${rest}" 0 ${chunk_bytes} chunk)
    string(FIND "${chunk}" "\n" end REVERSE)
    if(end EQUAL -1)
      message(FATAL_ERROR "${file} has a line of over ${chunk_bytes} bytes: break it")
    endif()
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${rest}" 0 ${end} chunk)
    string(SUBSTRING "${rest}" ${end} -1 rest)
    string(LENGTH "${rest}" length)
    string(APPEND entries "R\"${delimiter}(${chunk})${delimiter}\"\n     ")
  endwhile()
  string(APPEND entries "R\"${delimiter}(${rest})${delimiter}\"},\n")
endforeach()

list(LENGTH FILES count)
file(WRITE "${OUTPUT}" "// Made by sql/embed.cmake; changes here are lost.
#include \"${HEADER}\"

#include <array>

namespace rollbackd::engine {
namespace {

constexpr std::array<EmbeddedFile, ${count}> files{{
${entries}}};

}  // namespace

std::span<const EmbeddedFile> ${FUNCTION}() { return files; }

}  // namespace rollbackd::engine
")
