-- What the jobs of this extension keep; hooks.py makes what is not there yet. SQLite and PostgreSQL both
-- understand every word.

-- The pages as they are shown now.
create table if not exists pages (
    source text primary key,
    title text not null,
    description text not null,
    html text not null,
    anchors text not null,
    links text not null,
    digest text not null,
    changed_at text not null
);

-- Every text that a page ever had; cleanup_old_records forgets the old ones.
create table if not exists revisions (
    source text not null,
    digest text not null,
    markdown text not null,
    seen_at text not null,
    primary key (source, digest)
);

create table if not exists content_by_day (
    day text not null,
    folder text not null,
    pages integer not null,
    words integer not null,
    links integer not null,
    primary key (day, folder)
);
