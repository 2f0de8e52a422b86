//! Entities with hooks.

pub(super) mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, audit_derive::Auditable)]
    #[audit(model = "Item", crate = audit_core)]
    #[sea_orm(table_name = "item")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        #[sea_orm(unique)]
        pub(crate) name: String,
        pub(crate) stock: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    audit_sea_orm::audited!(ActiveModel);
}

/// A row with a key of two columns.
pub(super) mod bin {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, audit_derive::Auditable)]
    #[audit(model = "Bin", id(shelf, slot), crate = audit_core)]
    #[sea_orm(table_name = "bin")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) shelf: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) slot: i32,
        pub(crate) full: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    audit_sea_orm::audited!(ActiveModel);
}

/// The format of SeaORM 2, with a relation by way of a junction.
pub(super) mod post {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(
        table_name = "post",
        model_attrs(derive(audit_derive::Auditable), audit(model = "Post", crate = audit_core))
    )]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) title: String,
        #[sea_orm(has_many, via = "post_tag")]
        pub(crate) tags: HasMany<super::tag::Entity>,
    }

    audit_sea_orm::audited!(ActiveModel);
}

pub(super) mod tag {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(
        table_name = "tag",
        model_attrs(derive(audit_derive::Auditable), audit(model = "Tag", crate = audit_core))
    )]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) name: String,
        #[sea_orm(has_many, via = "post_tag")]
        pub(crate) posts: HasMany<super::post::Entity>,
    }

    audit_sea_orm::audited!(ActiveModel);
}

pub(super) mod post_tag {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(
        table_name = "post_tag",
        model_attrs(
            derive(audit_derive::Auditable),
            audit(model = "PostTag", id(post_id, tag_id), crate = audit_core)
        )
    )]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) post_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tag_id: i32,
        #[sea_orm(belongs_to, from = "post_id", to = "id")]
        pub(crate) post: BelongsTo<super::post::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub(crate) tag: BelongsTo<super::tag::Entity>,
    }

    audit_sea_orm::audited!(ActiveModel);
}
