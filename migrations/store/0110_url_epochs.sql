-- How often the keys of a folder's URLs were reset (folder 0: of all folders); no row stands for never.
CREATE TABLE url_epochs (
    mailbox_id BIGINT NOT NULL,
    folder_id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (mailbox_id, folder_id)
);
