// Asio's own functions, compiled once (BOOST_ASIO_SEPARATE_COMPILATION in CMakeLists.txt): each
// file that includes engine/asio.hpp compiles over a second faster.
#include "engine/asio.hpp"

#include <boost/asio/impl/src.hpp>
