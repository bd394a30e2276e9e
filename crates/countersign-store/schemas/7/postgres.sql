CREATE TABLE public.countersign_account_groups (
    account bytea NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.countersign_accounts (
    id bytea NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    disabled boolean NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint,
    last_used_from text,
    registered boolean DEFAULT false NOT NULL,
    tokens_revoked_at bigint
);
CREATE TABLE public.countersign_public_keys (
    sequence bigint NOT NULL,
    account bytea NOT NULL,
    openssh text NOT NULL,
    thumbprint text NOT NULL,
    spki_pem_sha256 text NOT NULL,
    spki bytea NOT NULL,
    comment text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    last_used_at bigint,
    last_used_from text
);
CREATE VIEW public.countersign_admin_keys AS
 SELECT k.sequence,
    k.account,
    k.expires_at
   FROM ((public.countersign_account_groups g
     JOIN public.countersign_accounts a ON ((a.id = g.account)))
     JOIN public.countersign_public_keys k ON ((k.account = a.id)))
  WHERE ((g.name = 'admin'::text) AND (a.disabled = false) AND (k.revoked_at IS NULL));
CREATE TABLE public.countersign_api_keys (
    sequence bigint NOT NULL,
    id bytea NOT NULL,
    account bytea NOT NULL,
    hash bytea NOT NULL,
    comment text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    last_used_at bigint,
    last_used_from text
);
ALTER TABLE public.countersign_api_keys ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.countersign_api_keys_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.countersign_arrived_refresh_tokens (
    batch bigint NOT NULL,
    tokens bytea NOT NULL
);
ALTER TABLE public.countersign_arrived_refresh_tokens ALTER COLUMN batch ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.countersign_arrived_refresh_tokens_batch_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.countersign_audit (
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    address text,
    action text NOT NULL,
    target text NOT NULL,
    state_before text NOT NULL,
    state_after text NOT NULL
);
ALTER TABLE public.countersign_audit ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.countersign_audit_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.countersign_instance (
    singleton bigint NOT NULL,
    id text NOT NULL,
    CONSTRAINT countersign_instance_singleton_check CHECK ((singleton = 1))
);
CREATE TABLE public.countersign_jwks_endpoints (
    sequence bigint NOT NULL,
    account bytea NOT NULL,
    url text NOT NULL,
    created_at bigint NOT NULL
);
ALTER TABLE public.countersign_jwks_endpoints ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.countersign_jwks_endpoints_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.countersign_migrations (
    version bigint NOT NULL,
    name text NOT NULL,
    runs_beside bigint
);
ALTER TABLE public.countersign_public_keys ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.countersign_public_keys_sequence_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.countersign_refresh_tokens (
    hash bytea NOT NULL,
    api_key bytea NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE public.countersign_console_visits (
    hash bytea NOT NULL,
    kind text NOT NULL,
    account bytea NOT NULL,
    name text NOT NULL,
    spki bytea NOT NULL,
    began_at bigint NOT NULL,
    ends_at bigint NOT NULL
);
CREATE TABLE public.countersign_revoked_tokens (
    token_id bytea NOT NULL,
    remember_until bigint NOT NULL
);
CREATE TABLE public.countersign_secrets (
    name text NOT NULL,
    sealed bytea NOT NULL
);
CREATE TABLE public.countersign_signing_keys (
    kid text NOT NULL,
    algorithm text NOT NULL,
    spki bytea NOT NULL,
    sealed bytea,
    published_at bigint NOT NULL,
    activated_at bigint,
    retired_at bigint,
    gone_at bigint
);
CREATE TABLE public.countersign_spent_nonces (
    id bigint NOT NULL,
    oldest_time bigint NOT NULL,
    newest_time bigint NOT NULL,
    expires_at bigint NOT NULL,
    refused_before bigint NOT NULL,
    entries bytea NOT NULL
);
ALTER TABLE public.countersign_spent_nonces ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.countersign_spent_nonces_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY public.countersign_account_groups
    ADD CONSTRAINT countersign_account_groups_pkey PRIMARY KEY (account, name);
ALTER TABLE ONLY public.countersign_accounts
    ADD CONSTRAINT countersign_accounts_name_key UNIQUE (name);
ALTER TABLE ONLY public.countersign_accounts
    ADD CONSTRAINT countersign_accounts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.countersign_api_keys
    ADD CONSTRAINT countersign_api_keys_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.countersign_api_keys
    ADD CONSTRAINT countersign_api_keys_id_key UNIQUE (id);
ALTER TABLE ONLY public.countersign_api_keys
    ADD CONSTRAINT countersign_api_keys_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.countersign_arrived_refresh_tokens
    ADD CONSTRAINT countersign_arrived_refresh_tokens_pkey PRIMARY KEY (batch);
ALTER TABLE ONLY public.countersign_audit
    ADD CONSTRAINT countersign_audit_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.countersign_instance
    ADD CONSTRAINT countersign_instance_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.countersign_jwks_endpoints
    ADD CONSTRAINT countersign_jwks_endpoints_account_url_key UNIQUE (account, url);
ALTER TABLE ONLY public.countersign_jwks_endpoints
    ADD CONSTRAINT countersign_jwks_endpoints_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.countersign_migrations
    ADD CONSTRAINT countersign_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.countersign_public_keys
    ADD CONSTRAINT countersign_public_keys_account_openssh_key UNIQUE (account, openssh);
ALTER TABLE ONLY public.countersign_public_keys
    ADD CONSTRAINT countersign_public_keys_pkey PRIMARY KEY (sequence);
ALTER TABLE ONLY public.countersign_refresh_tokens
    ADD CONSTRAINT countersign_refresh_tokens_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.countersign_console_visits
    ADD CONSTRAINT countersign_console_visits_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.countersign_revoked_tokens
    ADD CONSTRAINT countersign_revoked_tokens_pkey PRIMARY KEY (token_id);
ALTER TABLE ONLY public.countersign_secrets
    ADD CONSTRAINT countersign_secrets_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.countersign_signing_keys
    ADD CONSTRAINT countersign_signing_keys_pkey PRIMARY KEY (kid);
ALTER TABLE ONLY public.countersign_spent_nonces
    ADD CONSTRAINT countersign_spent_nonces_pkey PRIMARY KEY (id);
CREATE INDEX countersign_account_groups_by_name ON public.countersign_account_groups USING btree (name);
CREATE INDEX countersign_api_keys_by_account ON public.countersign_api_keys USING btree (account, sequence);
CREATE INDEX countersign_spent_nonces_by_time ON public.countersign_spent_nonces USING btree (newest_time, oldest_time, expires_at, refused_before);
ALTER TABLE ONLY public.countersign_account_groups
    ADD CONSTRAINT countersign_account_groups_account_fkey FOREIGN KEY (account) REFERENCES public.countersign_accounts(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.countersign_api_keys
    ADD CONSTRAINT countersign_api_keys_account_fkey FOREIGN KEY (account) REFERENCES public.countersign_accounts(id) ON DELETE CASCADE;
CREATE INDEX countersign_console_visits_by_account ON public.countersign_console_visits USING btree (account, kind, ends_at);
CREATE INDEX countersign_console_visits_by_end ON public.countersign_console_visits USING btree (ends_at);
ALTER TABLE ONLY public.countersign_console_visits
    ADD CONSTRAINT countersign_console_visits_account_fkey FOREIGN KEY (account) REFERENCES public.countersign_accounts(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.countersign_jwks_endpoints
    ADD CONSTRAINT countersign_jwks_endpoints_account_fkey FOREIGN KEY (account) REFERENCES public.countersign_accounts(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.countersign_public_keys
    ADD CONSTRAINT countersign_public_keys_account_fkey FOREIGN KEY (account) REFERENCES public.countersign_accounts(id) ON DELETE CASCADE;
CREATE INDEX countersign_accounts_by_age ON public.countersign_accounts USING btree (created_at, name);
CREATE TABLE public.countersign_nonce_epoch (
    sole boolean NOT NULL,
    number bigint NOT NULL,
    identity text NOT NULL,
    since bigint NOT NULL,
    tolerance bigint NOT NULL,
    CONSTRAINT countersign_nonce_epoch_sole_check CHECK (sole)
);
CREATE TABLE public.countersign_nonce_buckets (
    bucket smallint NOT NULL,
    epoch bigint NOT NULL,
    starts_at bigint NOT NULL
);
CREATE TABLE public.countersign_nonces_0 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_1 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_2 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_3 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_4 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_5 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_6 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
CREATE TABLE public.countersign_nonces_7 (
    key bytea NOT NULL,
    attempt bytea NOT NULL
);
ALTER TABLE ONLY public.countersign_nonce_buckets
    ADD CONSTRAINT countersign_nonce_buckets_pkey PRIMARY KEY (bucket);
ALTER TABLE ONLY public.countersign_nonce_epoch
    ADD CONSTRAINT countersign_nonce_epoch_pkey PRIMARY KEY (sole);
ALTER TABLE ONLY public.countersign_nonces_0
    ADD CONSTRAINT countersign_nonces_0_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_1
    ADD CONSTRAINT countersign_nonces_1_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_2
    ADD CONSTRAINT countersign_nonces_2_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_3
    ADD CONSTRAINT countersign_nonces_3_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_4
    ADD CONSTRAINT countersign_nonces_4_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_5
    ADD CONSTRAINT countersign_nonces_5_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_6
    ADD CONSTRAINT countersign_nonces_6_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.countersign_nonces_7
    ADD CONSTRAINT countersign_nonces_7_pkey PRIMARY KEY (key);
INSERT INTO public.countersign_migrations VALUES (1, 'registry', NULL);
INSERT INTO public.countersign_migrations VALUES (2, 'spent nonces', NULL);
INSERT INTO public.countersign_migrations VALUES (3, 'tokens', NULL);
INSERT INTO public.countersign_migrations VALUES (4, 'newest accounts', NULL);
INSERT INTO public.countersign_migrations VALUES (5, 'shared nonces', NULL);
INSERT INTO public.countersign_migrations VALUES (6, 'console visits', NULL);
INSERT INTO public.countersign_migrations VALUES (7, 'programs beside', 3);
