//! Used log-out tokens in Valkey or Redis: two sorted sets of hashes, by the end of each in milliseconds of the server's
//! clock. The gateways' clocks do not matter.

use redis::FromRedisValue;

use super::ValkeyStore;
use crate::store::{
    LOGOUT_HELD, LOGOUT_REMEMBERED, LogoutName, LogoutOutcome, LogoutStanding, MAX_USED_LOGOUTS, StoreError,
};

/// Begins both scripts. The keys are those of the used and of the held ones; the first argument is how many are kept.
const BEGIN: &str = "
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local function note(key, life, name)
        redis.call('ZADD', key, string.format('%.0f', now + life), name)
        redis.call('PEXPIRE', key, life)
    end
    local function tidy(key)
        redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
        redis.call('ZREMRANGEBYRANK', key, 0, -1 - ARGV[1])
    end";
/// Further arguments: for how many milliseconds, and the names.
const HOLD: &str = "
    tidy(KEYS[1])
    tidy(KEYS[2])
    local standing = {}
    for i = 3, #ARGV do
        if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
            standing[i - 2] = 2
        elseif redis.call('ZSCORE', KEYS[2], ARGV[i]) then
            standing[i - 2] = 1
        else
            note(KEYS[2], ARGV[2], ARGV[i])
            standing[i - 2] = 0
        end
    end
    return standing";
/// Further arguments: for how many milliseconds; then each name, and 1 if it was used.
const END: &str = "
    for i = 3, #ARGV, 2 do
        if ARGV[i + 1] == '1' then note(KEYS[1], ARGV[2], ARGV[i]) end
        redis.call('ZREM', KEYS[2], ARGV[i])
    end
    tidy(KEYS[1])
    return 1";

pub(super) fn hold(store: &ValkeyStore, names: &[LogoutName]) -> Result<Vec<LogoutStanding>, StoreError> {
    let (most, life) = (MAX_USED_LOGOUTS.to_string(), LOGOUT_HELD.as_millis().to_string());
    let mut arguments = vec![most.as_bytes(), life.as_bytes()];
    arguments.extend(names.iter().map(|name| name.as_bytes().as_slice()));
    let standing: Vec<u8> = run(store, HOLD, &arguments)?;
    Ok(standing
        .into_iter()
        .map(|standing| match standing {
            0 => LogoutStanding::Fresh,
            1 => LogoutStanding::Held,
            _ => LogoutStanding::Used,
        })
        .collect())
}

pub(super) fn end(store: &ValkeyStore, ended: &[(LogoutName, LogoutOutcome)]) -> Result<(), StoreError> {
    let (most, life) = (MAX_USED_LOGOUTS.to_string(), LOGOUT_REMEMBERED.as_millis().to_string());
    let mut arguments = vec![most.as_bytes(), life.as_bytes()];
    for (name, outcome) in ended {
        arguments.push(name.as_bytes().as_slice());
        arguments.push(if *outcome == LogoutOutcome::Used { b"1" } else { b"0" });
    }
    run::<u8>(store, END, &arguments).map(drop)
}

fn run<T: FromRedisValue>(store: &ValkeyStore, script: &str, arguments: &[&[u8]]) -> Result<T, StoreError> {
    let keys = [store.keys.used_logouts.as_str(), store.keys.held_logouts.as_str()];
    store.run(&format!("{BEGIN}{script}"), &keys, arguments)
}
