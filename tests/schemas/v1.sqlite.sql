CREATE TABLE {namespace}_associations (
    id1 BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    id2 BIGINT NOT NULL,
    time BIGINT NOT NULL,
    data BLOB,
    PRIMARY KEY (id1, kind, id2)
)
 WITHOUT ROWID;

CREATE INDEX {namespace}_associations_by_id1_kind_time ON {namespace}_associations (id1, kind, time);

CREATE TABLE {namespace}_consumers (
    name VARCHAR(64) NOT NULL,
    "offset" BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE {namespace}_counts (
    object_id BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (object_id, kind)
)
 WITHOUT ROWID;

CREATE TABLE {namespace}_events (
    id INTEGER NOT NULL,
    number BIGINT,
    kind VARCHAR(32) NOT NULL,
    actor_id BIGINT NOT NULL,
    object_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    data BLOB,
    at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE {namespace}_meta (
    name VARCHAR(64) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE {namespace}_nodes (
    node INTEGER NOT NULL,
    owner VARCHAR(32) NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (node)
);

CREATE TABLE {namespace}_post_media (
    post_id BIGINT NOT NULL,
    ordinal SMALLINT NOT NULL,
    url TEXT NOT NULL,
    media_type TEXT,
    width INTEGER,
    height INTEGER,
    alt_text TEXT,
    content_hash TEXT,
    status VARCHAR(16) NOT NULL,
    PRIMARY KEY (post_id, ordinal)
);

CREATE INDEX {namespace}_post_media_by_content_hash ON {namespace}_post_media (content_hash);

CREATE INDEX {namespace}_post_media_by_url ON {namespace}_post_media (url);

CREATE TABLE {namespace}_posts (
    id INTEGER NOT NULL,
    position BIGINT NOT NULL,
    ref TEXT,
    author_id BIGINT NOT NULL,
    kind VARCHAR(32) NOT NULL,
    schema_version INTEGER NOT NULL,
    text TEXT NOT NULL,
    extra TEXT NOT NULL,
    status VARCHAR(16) NOT NULL,
    audience VARCHAR(16) NOT NULL,
    reply_to BIGINT,
    media_count SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    published_at BIGINT,
    deleted_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE (position)
);

CREATE INDEX {namespace}_posts_by_author_id_position_audience ON {namespace}_posts (author_id, position, audience) WHERE status = 'published' AND deleted_at IS NULL;

CREATE UNIQUE INDEX {namespace}_posts_by_ref ON {namespace}_posts (ref) WHERE ref IS NOT NULL;

CREATE TABLE {namespace}_pulled (
    author_id BIGINT NOT NULL,
    listed_at BIGINT NOT NULL,
    resumed_at BIGINT,
    PRIMARY KEY (author_id)
);

CREATE TABLE {namespace}_secrets (
    id INTEGER NOT NULL,
    secret BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE {namespace}_users (
    id INTEGER NOT NULL,
    "key" BLOB,
    handle TEXT,
    display_name TEXT,
    time_zone TEXT,
    status VARCHAR(16) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE ("key")
);
