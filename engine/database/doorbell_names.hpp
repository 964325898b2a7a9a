#pragma once

#include <cstdint>

// What the SQL of sql/triggers and the daemon have to agree on; its README has the grammar.
namespace rollbackd::engine {

inline constexpr const char* doorbell_channel = "rollbackd";

// K: the bell rings only while somebody holds it exclusively. The bytes of "rollback".
inline constexpr std::int64_t doorbell_key = 0x726f6c6c6261636b;

// Held by the daemon that leads.
inline constexpr std::int64_t leader_key = doorbell_key + 1;

// Set to 'on' within a transaction that is a rollback's step: only such a one may change the status
// of a deployment that is being, or was, rolled back.
inline constexpr const char* step_setting = "rollbackd.rollback_step";

}  // namespace rollbackd::engine
