-- One hundred sessions in turn; prints one line of JSON at the end.
local requests, turn = {}, 0

init = function(arguments)
  for session = 1, 100 do
    local headers = { Cookie = string.format("theme=dark; SESSION=bench-session-%03d-0123456789abcdef; lang=en", session) }
    requests[session] = wrk.format("GET", arguments[1], headers)
  end
end

request = function()
  turn = turn % 100 + 1
  return requests[turn]
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
