-- Countersign behind HAProxy, part 1 of 2: asks Countersign whether a request may pass.
--
-- `http-request lua.countersign ADDRESS` asks through the frontend of HAProxy's own at that
-- address, and lets the request go on with the caller's identity in its headers, or answers it.

-- Countersign answers with each of these headers in every case, so what a caller sent under
-- their names is replaced.
local identity_headers = {
    "x-auth-account", "x-auth-account-id", "x-auth-groups",
    "x-auth-method", "x-auth-credential", "x-auth-identifier",
}

-- What a refused caller is told.
local passed_on = { "www-authenticate", "cache-control", "retry-after" }

-- How long Countersign may take, in milliseconds.
local timeout = 5000

-- The values of a header, in their order; HAProxy counts them from 0.
local function values(headers, name)
    local listed, found = headers[name] or {}, {}
    local at = 0
    while listed[at] do
        table.insert(found, listed[at])
        at = at + 1
    end
    return found
end

local function refuse(txn, status, headers)
    txn:done(txn:reply({ status = status, headers = headers }))
end

core.register_action("countersign", { "http-req" }, function(txn, address)
    local request = txn.http:req_get_headers()
    -- Countersign sees what it decides on, and nothing else of the caller's.
    local question = {
        ["x-original-method"] = { txn.sf:method() },
        ["x-original-host"] = { txn.sf:req_hdr("host") },
        ["x-original-uri"] = { txn.sf:pathq() },
        ["x-forwarded-for"] = { txn.sf:src() },
        -- To HAProxy's own frontend: on a kept connection it leaves a failure to its client, who
        -- would ask again.
        ["connection"] = { "close" },
        -- All of them: more than one is refused.
        ["authorization"] = values(request, "authorization"),
    }
    local answer = core.httpclient():get({
        url = "http://countersign/auth-request",
        dst = address,
        headers = question,
        timeout = timeout,
    })

    if answer == nil or answer.status == nil or answer.status == 0 then
        return refuse(txn, 503, { ["retry-after"] = { "1" }, ["cache-control"] = { "no-store" } })
    end
    if answer.status ~= 200 then
        local headers = {}
        for _, name in ipairs(passed_on) do
            local said = values(answer.headers, name)
            if #said > 0 then headers[name] = said end
        end
        -- Anything but a refusal is an accident.
        local is_refusal = answer.status == 401 or answer.status == 403 or answer.status == 429
        return refuse(txn, is_refusal and answer.status or 503, headers)
    end
    for _, name in ipairs(identity_headers) do
        txn.http:req_set_header(name, table.concat(values(answer.headers, name), ","))
    end
end, 1)
